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
// Steps of a path that run side by side, each with a distribution over all tokens.
constexpr std::int64_t kStepsSideBySide = 256;

at::Tensor log_probabilities(const at::Tensor& logits) {
  return at::log_softmax(logits.to(at::kCPU, at::kDouble), 1);
}

}  // namespace

ChangedRuns::ChangedRuns(const Model& model, TokenIds ids, std::int64_t token_budget)
    : model_(model), ids_(std::move(ids)), token_budget_(token_budget) {
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

at::Tensor ChangedRuns::side_by_side(const std::vector<CellFactors>& variants, std::int64_t position) const {
  const auto count = static_cast<std::int64_t>(variants.size());
  const std::int64_t length = last() + 1 - position;
  // For each layer the variants that change it.
  std::map<int, std::map<std::int64_t, CellFactors>> by_layer;
  for (std::size_t v = 0; v < variants.size(); ++v)
    for (const CellFactor& one : variants[v])
      by_layer[one.cell.layer][static_cast<std::int64_t>(v)].push_back(one);
  if (by_layer.empty()) return unchanged_logits_.expand({count, -1});
  PassInput input = from(by_layer.begin()->first, position, count);
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
  return model_.forward(input).logits.to(at::kCPU, at::kFloat);
}

at::Tensor ChangedRuns::in_batches(const std::vector<CellFactors>& variants, std::int64_t position,
                                   const Take& take, const AfterBatch& after_batch) const {
  const c10::NoGradGuard no_gradients;
  const std::int64_t length = last() + 1 - position;
  const auto batch =
      static_cast<std::size_t>(std::clamp<std::int64_t>(token_budget_ / length, 1, kSideBySide));
  std::vector<at::Tensor> taken;
  for (std::size_t first = 0; first < variants.size(); first += batch) {
    const auto begin = variants.begin() + static_cast<std::ptrdiff_t>(first);
    const auto count = static_cast<std::ptrdiff_t>(std::min(batch, variants.size() - first));
    taken.push_back(take(side_by_side({begin, begin + count}, position)));
    if (after_batch) after_batch();
  }
  return taken.empty() ? take(unchanged_logits_.unsqueeze(0)).narrow(0, 0, 0) : at::cat(taken);
}

at::Tensor ChangedRuns::changed(const std::vector<CellFactors>& variants, std::int64_t position) const {
  return in_batches(variants, position, log_probabilities, {});
}

at::Tensor ChangedRuns::changed(const std::vector<CellFactors>& variants, std::int64_t position,
                                std::int64_t token, const AfterBatch& after_batch) const {
  return in_batches(
      variants, position,
      [&](const at::Tensor& logits) { return log_probabilities(logits).select(1, token).clone(); },
      after_batch);
}

at::Tensor ChangedRuns::changed_logits(const std::vector<CellFactors>& variants, std::int64_t position,
                                       const std::vector<std::int64_t>& tokens,
                                       const AfterBatch& after_batch) const {
  const at::Tensor columns = at::tensor(tokens, at::kLong);
  return in_batches(
      variants, position, [&](const at::Tensor& logits) { return logits.index_select(1, columns); },
      after_batch);
}

at::Tensor ChangedRuns::path_gradients(int layer, std::int64_t token, int steps, double& at_zero) const {
  const at::AutoGradMode with_gradients(true);
  const std::int64_t most = std::clamp<std::int64_t>(token_budget_, 1, kStepsSideBySide);
  at::Tensor sum = at::zeros({model_.config().d_ff}, at::kDouble);
  for (std::int64_t first = 0; first <= steps; first += most) {
    const std::int64_t count = std::min<std::int64_t>(most, steps + 1 - first);
    PassInput input = from(layer, last(), count);
    std::vector<std::int64_t> rows, numbers;
    for (std::int64_t k = 0; k < count; ++k) {
      rows.push_back(k);
      numbers.push_back(first + k);
    }
    const at::Tensor shares = at::tensor(numbers, at::kFloat).unsqueeze(1) / steps;  // of 0, 1/steps, ..., 1
    const at::Tensor keys = (key(layer) * shares).to(model_.options()).set_requires_grad(true);
    input.interventions = {{Site::kKey, layer, Intervention::Kind::kReplace,
                            index_tensor(rows, model_.options().device()), keys}};
    const at::Tensor p = at::softmax(model_.forward(input).logits, 1).select(1, token);
    std::int64_t zeros = 0;  // rows that are no step: the one of m = 0
    if (first == 0) {
      at_zero = p[0].item<double>();
      zeros = 1;
    }
    if (count == zeros) continue;
    const std::int64_t own = count - zeros;
    const at::Tensor gradients = torch::autograd::grad({p.narrow(0, zeros, own).sum()}, {keys})[0];
    sum += gradients.narrow(0, zeros, own).to(at::kCPU, at::kDouble).sum(0);
  }
  return sum;
}

}  // namespace emend
