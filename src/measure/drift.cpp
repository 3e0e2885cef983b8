#include "measure/drift.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "model/batches.h"
#include "model/layers.h"
#include "model/rows.h"
#include "model/value_path.h"

namespace emend {

namespace {

constexpr std::int64_t kRowTokens = 512;
// Logits at every position take more room than anything else.
constexpr std::int64_t kLogitRows = 512;

}  // namespace

TextRows held_rows(const Model& model, const TokenIds& prefix, const std::vector<std::string>& texts) {
  const auto room =
      std::min(kRowTokens, model.config().max_positions) - static_cast<std::int64_t>(prefix.size());
  TextRows rows;
  for (const std::string& text : texts) {
    const TokenIds ids = model.tokenizer().encode(text, SpecialTokens::kNone).ids;
    const auto step = static_cast<std::size_t>(std::max<std::int64_t>(room, 1));
    for (std::size_t begin = 0; begin < ids.size(); begin += step) {
      TokenIds row = prefix;
      const std::size_t end = std::min(begin + step, ids.size());
      row.insert(row.end(), ids.begin() + static_cast<std::ptrdiff_t>(begin),
                 ids.begin() + static_cast<std::ptrdiff_t>(end));
      if (row.size() >= 2) rows.push_back(std::move(row));
    }
  }
  return rows;
}

std::int64_t measured_tokens(const TextRows& rows) {
  std::int64_t tokens = 0;
  for (const TokenIds& row : rows) tokens += static_cast<std::int64_t>(row.size()) - 1;
  return tokens;
}

DriftProbe::DriftProbe(const Model& model, const std::vector<TokenIds>& rows, int first_edited_block,
                       std::int64_t token_budget)
    : model_(model), first_edited_block_(first_edited_block) {
  const c10::NoGradGuard no_grad;
  std::vector<TokenIds> useful;
  for (const TokenIds& row : rows)
    if (row.size() >= 2) useful.push_back(row);
  for (const RowRange range : split_by_tokens(useful, std::min(token_budget, kLogitRows))) {
    Part part;
    part.ids.assign(useful.begin() + static_cast<std::ptrdiff_t>(range.begin),
                    useful.begin() + static_cast<std::ptrdiff_t>(range.end));
    std::vector<std::int64_t> next;
    std::int64_t at = 0;
    for (const TokenIds& row : part.ids) {
      for (std::size_t j = 0; j + 1 < row.size(); ++j) {
        part.logit_tokens.push_back(at + static_cast<std::int64_t>(j));
        next.push_back(row[j + 1]);
      }
      at += static_cast<std::int64_t>(row.size());
    }
    part.next = index_tensor(next, model.options().device()).unsqueeze(1);
    tokens_ += static_cast<std::int64_t>(next.size());
    PassInput lower;
    lower.ids = part.ids;
    lower.stop = PassInput::Stop::kBlock;
    lower.stop_block = first_edited_block;
    lower.recordings = {{Site::kKey, first_edited_block, {}}};
    if (!ValuePath(model, first_edited_block).is_direct())
      lower.recordings.push_back({Site::kMlpOutput, first_edited_block, {}});
    PassOutput output = model.forward(lower);
    part.hidden = output.hidden;
    part.key = output.recorded.front();
    if (output.recorded.size() > 1) part.value = output.recorded.back();
    part.base = logprobs(part, {});
    parts_.push_back(std::move(part));
  }
}

at::Tensor DriftProbe::logprobs(const Part& part, const std::vector<WeightChange>& changes) const {
  PassInput input;
  input.ids = part.ids;
  input.begin_block = first_edited_block_ + 1;
  input.hidden = part.hidden;
  input.logit_tokens = part.logit_tokens;
  const at::Device device = model_.options().device();
  at::Tensor added;  // to the values of the first edited block
  for (const WeightChange& change : changes) {
    const auto [A, B] = change.factors();
    const Overlay overlay{change.weight.block, A.to(device), B.to(device), {}};
    if (change.weight.block != first_edited_block_) {
      input.overlays.push_back(overlay);
      continue;
    }
    const at::Tensor one =
        overlay_value(overlay_strength(part.key, overlay), overlay, {}).to(input.hidden.scalar_type());
    added = added.defined() ? added + one : one;
  }
  if (added.defined())
    input.hidden = input.hidden + ValuePath(model_, first_edited_block_).arrived_change(part.value, added);
  return at::log_softmax(model_.forward(input).logits, 1);
}

Drift DriftProbe::measure(const std::vector<WeightChange>& changes) const {
  const c10::NoGradGuard no_grad;
  // Sums over tokens: the divergence, and how much likelier the base finds the text. Read from the device
  // once.
  at::Tensor sums = at::zeros({2}, at::TensorOptions(model_.options().device()).dtype(at::kDouble));
  for (const Part& part : parts_) {
    const at::Tensor now = logprobs(part, changes);
    const at::Tensor kl = (part.base.exp() * (part.base - now)).sum(1).to(at::kDouble).sum();
    const at::Tensor gain = (part.base.gather(1, part.next) - now.gather(1, part.next)).to(at::kDouble).sum();
    sums += at::stack({kl, gain});
  }
  sums = sums.cpu() / static_cast<double>(std::max<std::int64_t>(tokens_, 1));
  return {sums[0].item<double>(), std::exp(sums[1].item<double>())};
}

}  // namespace emend
