#include "eval/drift.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "model/batches.h"
#include "model/rows.h"

namespace emend {

namespace {

// Logits at every position take more room than anything else.
constexpr std::int64_t kLogitRows = 512;

}  // namespace

DriftProbe::DriftProbe(const Model& model, const std::vector<TokenIds>& rows, int first_edited_block, std::int64_t token_budget)
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
    if (first_edited_block > 0) {
      PassInput lower;
      lower.ids = part.ids;
      lower.stop = PassInput::Stop::kBlock;
      lower.stop_block = first_edited_block - 1;
      part.hidden = model.forward(lower).hidden;
    }
    part.base = logprobs(part, {});
    parts_.push_back(std::move(part));
  }
}

at::Tensor DriftProbe::logprobs(const Part& part, const std::vector<WeightChange>& changes) const {
  PassInput input;
  input.ids = part.ids;
  input.begin_block = first_edited_block_;
  input.hidden = part.hidden;
  input.logit_tokens = part.logit_tokens;
  const at::Device device = model_.options().device();
  for (const WeightChange& change : changes)
    input.overlays.push_back({change.block, change.A.to(device), change.B.to(device), {}});
  return at::log_softmax(model_.forward(input).logits, 1);
}

Drift DriftProbe::measure(const std::vector<WeightChange>& changes) const {
  const c10::NoGradGuard no_grad;
  double kl = 0, gain = 0;  // sums over tokens; gain: how much likelier the base finds the text
  for (const Part& part : parts_) {
    const at::Tensor now = logprobs(part, changes);
    kl += (part.base.exp() * (part.base - now)).sum(1).to(at::kDouble).sum().item<double>();
    gain += (part.base.gather(1, part.next) - now.gather(1, part.next)).to(at::kDouble).sum().item<double>();
  }
  const auto n = static_cast<double>(std::max<std::int64_t>(tokens_, 1));
  return {kl / n, std::exp(gain / n)};
}

}  // namespace emend
