#include "memories/coactive_pairs.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "memories/pattern_tests.h"

namespace emend {
namespace {

constexpr std::int64_t kRows = 256;  // of the matrix, in float64 at once

// Groups that are being joined: similarity between them, and how many cells each has.
class Linkage {
 public:
  Linkage(at::Tensor similarity, double threshold)
      : similarity_(std::move(similarity)),
        threshold_(threshold),
        cells_(similarity_.size(0)),
        size_(static_cast<std::size_t>(cells_), 1),
        root_(static_cast<std::size_t>(cells_)) {
    std::iota(root_.begin(), root_.end(), 0);
    data_ = similarity_.mutable_data_ptr<float>();
  }

  // Follows nearest neighbours until two are each other's, and joins them. Where the nearest is below the
  // threshold, nothing can ever be joined to the group again: averages of averages stay below it.
  void join_all() {
    std::vector<std::int64_t> chain;
    for (std::int64_t start = 0; start < cells_;) {
      if (chain.empty()) {
        while (start < cells_ && size_[static_cast<std::size_t>(start)] == 0) ++start;
        if (start == cells_) return;
        chain.push_back(start);
      }
      const std::int64_t top = chain.back(),
                         before = chain.size() > 1 ? chain[chain.size() - 2] : std::int64_t{-1};
      const std::int64_t nearest = nearest_of(top, before);
      if (nearest < 0 || at(top, nearest) < threshold_) {
        size_[static_cast<std::size_t>(top)] = 0;
        chain.pop_back();
        continue;
      }
      if (nearest != before) {
        chain.push_back(nearest);
        continue;
      }
      chain.pop_back();
      chain.pop_back();
      join(std::min(top, nearest), std::max(top, nearest));
    }
  }

  std::vector<std::vector<std::int64_t>> groups() {
    std::vector<std::vector<std::int64_t>> of(static_cast<std::size_t>(cells_));
    for (std::int64_t cell = 0; cell < cells_; ++cell)
      of[static_cast<std::size_t>(root_of(cell))].push_back(cell);
    std::erase_if(of, [](const auto& group) { return group.size() < 2; });
    std::stable_sort(of.begin(), of.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
    return of;
  }

 private:
  float& at(std::int64_t a, std::int64_t b) const { return data_[a * cells_ + b]; }
  bool lives(std::int64_t group) const { return size_[static_cast<std::size_t>(group)] > 0; }

  // The group before it in the chain wins ties, so that chains end; then the lower number.
  std::int64_t nearest_of(std::int64_t group, std::int64_t before) const {
    std::int64_t best = before;
    for (std::int64_t other = 0; other < cells_; ++other)
      if (other != group && lives(other) && (best < 0 || at(group, other) > at(group, best))) best = other;
    return best;
  }

  // Lance and Williams 1967: the mean over all pairs of cells.
  void join(std::int64_t into, std::int64_t from) {
    const double a = size_[static_cast<std::size_t>(into)], b = size_[static_cast<std::size_t>(from)];
    for (std::int64_t other = 0; other < cells_; ++other) {
      if (other == into || other == from || !lives(other)) continue;
      at(into, other) = at(other, into) =
          static_cast<float>((a * at(into, other) + b * at(from, other)) / (a + b));
    }
    size_[static_cast<std::size_t>(into)] += std::exchange(size_[static_cast<std::size_t>(from)], 0);
    root_[static_cast<std::size_t>(from)] = into;
  }

  std::int64_t root_of(std::int64_t cell) const {
    while (root_[static_cast<std::size_t>(cell)] != cell) cell = root_[static_cast<std::size_t>(cell)];
    return cell;
  }

  at::Tensor similarity_;
  double threshold_;
  std::int64_t cells_;
  float* data_ = nullptr;
  std::vector<int> size_;  // 0: joined to another group, or finished
  std::vector<std::int64_t> root_;
};

}  // namespace

at::Tensor phi_of(const at::Tensor& counts, std::int64_t tokens) {
  const auto n = static_cast<double>(tokens);
  const at::Tensor active = counts.diagonal().contiguous();
  const at::Tensor spread = (active * (n - active)).sqrt();  // [K]
  at::Tensor phi = at::empty(counts.sizes(), at::kFloat);
  for (std::int64_t first = 0; first < counts.size(0); first += kRows) {
    const std::int64_t rows = std::min(kRows, counts.size(0) - first);
    const at::Tensor above = n * counts.narrow(0, first, rows) - active.narrow(0, first, rows).outer(active);
    const at::Tensor below = spread.narrow(0, first, rows).outer(spread);
    phi.narrow(0, first, rows).copy_(at::where(below > 0, above / below, at::zeros_like(above)));
  }
  phi.fill_diagonal_(0);
  return phi;
}

double phi_of_chance(std::int64_t tokens, std::int64_t pairs, double share) {
  if (tokens == 0 || pairs == 0) return 1;
  return std::min(1.0, normal_quantile_above(share / static_cast<double>(pairs)) /
                           std::sqrt(static_cast<double>(tokens)));
}

std::vector<std::vector<std::int64_t>> average_linkage(at::Tensor similarity, double threshold) {
  if (similarity.size(0) == 0) return {};
  Linkage linkage(std::move(similarity), threshold);
  linkage.join_all();
  return linkage.groups();
}

}  // namespace emend
