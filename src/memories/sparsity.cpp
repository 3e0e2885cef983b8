#include "memories/sparsity.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "emend/memory_view.h"
#include "model/batches.h"
#include "model/rows.h"

namespace emend {

namespace {

// Tokens of a pass at most: the logits of all of them are held twice.
constexpr std::int64_t kPassTokens = 512;

// Sums over tokens.
struct PointSums {
  double kl = 0, same = 0, nll = 0;
};

class SparsityPasses {
 public:
  SparsityPasses(const Model& model, const std::vector<int>& layers,
                 std::vector<std::vector<std::int64_t>> rows)
      : model_(model), layers_(layers), rows_(std::move(rows)) {
    std::vector<std::int64_t> next;
    for (const std::vector<std::int64_t>& row : rows_)
      for (std::size_t j = 0; j < row.size(); ++j) {
        all_.push_back(static_cast<std::int64_t>(all_.size()));
        if (j + 1 == row.size()) continue;
        with_next_.push_back(all_.back());
        next.push_back(row[j + 1]);
      }
    const at::Device device = model.options().device();
    tokens_ = index_tensor(all_, device);
    next_ = index_tensor(next, device).unsqueeze(1);
    before_ = log_probabilities(PassInput{}, 0, at::Tensor());
  }

  std::int64_t tokens() const { return static_cast<std::int64_t>(all_.size()); }
  std::int64_t predicted() const { return static_cast<std::int64_t>(with_next_.size()); }

  PointSums at_share(double share) const {
    const int last = model_.config().layers - 1;
    at::Tensor hidden;
    for (int block = 0; block < last; ++block) {
      PassInput input = with_few_cells(block, hidden, share);
      input.stop = PassInput::Stop::kBlock;
      input.stop_block = block;
      hidden = run(std::move(input), block, hidden).hidden;
    }
    const at::Tensor after = log_probabilities(with_few_cells(last, hidden, share), last, hidden);
    PointSums sums;
    sums.kl = (before_.exp() * (before_ - after)).sum().item<double>();
    sums.same = (before_.argmax(1) == after.argmax(1)).sum().item<double>();
    if (!with_next_.empty()) {
      const at::Tensor at = index_tensor(with_next_, before_.device());
      sums.nll = (before_.index_select(0, at).gather(1, next_) - after.index_select(0, at).gather(1, next_))
                     .sum()
                     .item<double>();
    }
    return sums;
  }

 private:
  PassOutput run(PassInput input, int block, const at::Tensor& hidden) const {
    input.ids = rows_;
    input.begin_block = block;
    input.hidden = hidden;
    return model_.forward(input);
  }

  at::Tensor log_probabilities(PassInput input, int block, const at::Tensor& hidden) const {
    input.logit_tokens = all_;
    return run(std::move(input), block, hidden).logits.log_softmax(1);
  }

  // What a pass over this block changes of its key.
  PassInput with_few_cells(int block, const at::Tensor& hidden, double share) const {
    PassInput changed;
    if (!std::binary_search(layers_.begin(), layers_.end(), block)) return changed;
    PassInput reading;
    reading.stop = PassInput::Stop::kKey;
    reading.stop_block = block;
    reading.recordings = {{Site::kKey, block, {}}};
    const at::Tensor key = run(std::move(reading), block, hidden).recorded[0];
    const auto kept = static_cast<std::int64_t>(std::ceil(share * static_cast<double>(key.size(1)) - 1e-9));
    const at::Tensor norms = FfnView(model_, block).value_norms(ValueSide::kArriving).to(key.device());
    changed.interventions.push_back(
        {Site::kKey, block, Intervention::Kind::kReplace, tokens_, keep_largest(key, norms, kept)});
    return changed;
  }

  const Model& model_;
  const std::vector<int>& layers_;
  std::vector<std::vector<std::int64_t>> rows_;
  std::vector<std::int64_t> all_, with_next_;
  at::Tensor tokens_, next_, before_;
};

}  // namespace

at::Tensor keep_largest(const at::Tensor& key, const at::Tensor& norms, std::int64_t kept) {
  if (kept >= key.size(1)) return key.clone();
  const at::Tensor contributions = key.to(at::kFloat).abs() * norms;
  const at::Tensor cells = std::get<1>(contributions.topk(kept, 1));
  return at::zeros_like(key).scatter(1, cells, key.gather(1, cells));
}

std::vector<SparsityPoint> sparsity_curve(const Model& model, const std::vector<int>& layers,
                                          const std::vector<std::vector<std::int64_t>>& rows,
                                          std::int64_t token_budget, Progress& progress) {
  const c10::NoGradGuard no_gradients;
  std::vector<PointSums> sums(kKeptShares.size());
  std::int64_t tokens = 0, predicted = 0, all = 0;
  for (const std::vector<std::int64_t>& row : rows) all += static_cast<std::int64_t>(row.size());
  progress.begin("keeping few cells", all * static_cast<std::int64_t>(kKeptShares.size()), "tokens");
  for (const auto& range : split_by_tokens(rows, std::min(token_budget, kPassTokens))) {
    const SparsityPasses passes(model, layers,
                                {rows.begin() + static_cast<std::ptrdiff_t>(range.begin),
                                 rows.begin() + static_cast<std::ptrdiff_t>(range.end)});
    for (std::size_t s = 0; s < sums.size(); ++s) {
      const PointSums more = passes.at_share(kKeptShares[s]);
      sums[s].kl += more.kl;
      sums[s].same += more.same;
      sums[s].nll += more.nll;
      progress.update(tokens * static_cast<std::int64_t>(sums.size()) +
                          passes.tokens() * static_cast<std::int64_t>(s + 1),
                      "");
    }
    tokens += passes.tokens();
    predicted += passes.predicted();
  }
  progress.end();
  std::vector<SparsityPoint> curve;
  for (std::size_t s = 0; s < sums.size(); ++s)
    curve.push_back({kKeptShares[s], sums[s].kl / static_cast<double>(tokens),
                     sums[s].same / static_cast<double>(tokens),
                     std::exp(sums[s].nll / static_cast<double>(std::max<std::int64_t>(1, predicted)))});
  return curve;
}

}  // namespace emend
