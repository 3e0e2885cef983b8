#include "memories/changed_runs.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <map>

#include "model/rows.h"

namespace emend {
namespace {

// Variants that run side by side: what holds logits of many of them in memory.
constexpr std::int64_t kSideBySide = 64;

at::Tensor log_probabilities(const at::Tensor& logits) {
  return at::log_softmax(logits.to(at::kCPU, at::kDouble), 1);
}

}  // namespace

ChangedRuns::ChangedRuns(const Model& model, TokenIds ids) : model_(model), ids_(std::move(ids)) {
  const c10::NoGradGuard no_gradients;
  const int layers = model.config().layers;
  cache_ = KvCache(model.config(), 0, 1, static_cast<std::int64_t>(ids_.size()), model.options());
  PassInput input;
  input.ids = {ids_};
  input.cache = &cache_;
  input.append = true;
  input.logit_tokens = {last()};
  const at::Tensor end = index_tensor({last()}, model.options().device());
  input.recordings.push_back({Site::kEmbedding, 0, {}});
  for (int l = 0; l + 1 < layers; ++l) input.recordings.push_back({Site::kBlockOutput, l, {}});
  for (int l = 0; l < layers; ++l) input.recordings.push_back({Site::kKey, l, end});
  const PassOutput output = model.forward(input);
  unchanged_logits_ = output.logits[0].to(at::kCPU, at::kFloat);
  unchanged_ = log_probabilities(output.logits)[0];
  const auto behind = output.recorded.begin() + layers;
  entering_.assign(output.recorded.begin(), behind);
  for (auto key = behind; key != output.recorded.end(); ++key)
    keys_.push_back(key->squeeze(0).to(at::kCPU, at::kFloat));
}

// The tokens from `position` on as rows that continue what stands in front of them, from a block on.
PassInput ChangedRuns::from(int block, std::int64_t position, std::int64_t variants) const {
  PassInput input;
  const TokenIds rest(ids_.begin() + position, ids_.end());
  const auto length = static_cast<std::int64_t>(rest.size());
  input.ids.assign(static_cast<std::size_t>(variants), rest);
  if (position > 0) {
    if (front_length_ != position) front_ = cache_.select({0}, 0, position);
    front_length_ = position;
    input.cache = &front_;
    input.cache_row.assign(static_cast<std::size_t>(variants), 0);
  }
  input.begin_block = block;
  input.hidden = entering_[static_cast<std::size_t>(block)].narrow(0, position, length).repeat({variants, 1});
  for (std::int64_t v = 0; v < variants; ++v) input.logit_tokens.push_back((v + 1) * length - 1);
  return input;
}

at::Tensor ChangedRuns::changed(const std::vector<CellFactors>& variants, std::int64_t position) const {
  return log_probabilities(changed_logits(variants, position));
}

at::Tensor ChangedRuns::changed_logits(const std::vector<CellFactors>& variants,
                                       std::int64_t position) const {
  const c10::NoGradGuard no_gradients;
  const std::int64_t length = last() + 1 - position;
  std::vector<at::Tensor> rows;
  for (std::size_t first = 0; first < variants.size(); first += kSideBySide) {
    const std::size_t count = std::min<std::size_t>(kSideBySide, variants.size() - first);
    // For each layer the variants that change it.
    std::map<int, std::map<std::int64_t, CellFactors>> by_layer;
    for (std::size_t v = 0; v < count; ++v)
      for (const CellFactor& one : variants[first + v])
        by_layer[one.cell.layer][static_cast<std::int64_t>(v)].push_back(one);
    if (by_layer.empty()) {
      rows.push_back(unchanged_logits_.expand({static_cast<std::int64_t>(count), -1}));
      continue;
    }
    PassInput input = from(by_layer.begin()->first, position, static_cast<std::int64_t>(count));
    for (const auto& [layer, changes] : by_layer) {
      std::vector<std::int64_t> tokens;
      at::Tensor factors =
          at::ones({static_cast<std::int64_t>(changes.size()), model_.config().d_ff}, at::kFloat);
      auto* const factor = factors.mutable_data_ptr<float>();
      for (const auto& [variant, cells] : changes) {
        float* const row = factor + static_cast<std::int64_t>(tokens.size()) * factors.size(1);
        for (const CellFactor& one : cells) row[one.cell.index] = static_cast<float>(one.factor);
        tokens.push_back(variant * length);
      }
      input.interventions.push_back({Site::kKey, layer, Intervention::Kind::kScale,
                                     index_tensor(tokens, model_.options().device()),
                                     factors.to(model_.options())});
    }
    rows.push_back(model_.forward(input).logits.to(at::kCPU, at::kFloat));
  }
  return rows.empty() ? at::empty({0, unchanged_.size(0)}) : at::cat(rows);
}

at::Tensor ChangedRuns::path_gradients(int layer, std::int64_t token, int steps, double& at_zero) const {
  const at::AutoGradMode with_gradients(true);
  PassInput input = from(layer, last(), steps + 1);
  std::vector<std::int64_t> all;
  for (int k = 0; k <= steps; ++k) all.push_back(k);
  const at::Tensor shares = at::tensor(all, at::kFloat).unsqueeze(1) / steps;  // 0, 1 / steps, ..., 1
  const at::Tensor keys = (key(layer) * shares).to(model_.options()).set_requires_grad(true);
  input.interventions = {
      {Site::kKey, layer, Intervention::Kind::kReplace, index_tensor(all, model_.options().device()), keys}};
  const at::Tensor p = at::softmax(model_.forward(input).logits, 1).select(1, token);
  at_zero = p[0].item<double>();
  const at::Tensor gradients = torch::autograd::grad({p.narrow(0, 1, steps).sum()}, {keys})[0];
  return gradients.narrow(0, 1, steps).to(at::kCPU, at::kDouble).sum(0);
}

}  // namespace emend
