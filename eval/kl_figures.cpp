// The figures of emend/kl.h from what was seen at each position.
#include <algorithm>
#include <cmath>

#include "emend/kl.h"

namespace emend {
namespace {

// Sums of one figure, or of two that are read at the same positions.
class Moments {
 public:
  explicit Moments(std::size_t n) : n_(static_cast<double>(n)) {}
  void add(double x, double y = 0) {
    x_ += x;
    y_ += y;
    xx_ += x * x;
    xy_ += x * y;
  }
  double mean() const { return x_ / n_; }
  // Of the mean: as if positions were independent.
  double variance() const { return n_ > 1 ? std::max(0.0, (xx_ / n_ - mean() * mean()) / (n_ - 1)) : 0; }
  double covariance() const { return n_ > 1 ? (xy_ / n_ - mean() * y_ / n_) / (n_ - 1) : 0; }
  MeanWithError result() const { return {mean(), std::sqrt(variance())}; }

 private:
  double n_, x_ = 0, y_ = 0, xx_ = 0, xy_ = 0;
};

// `sorted` rises and is not empty.
double percentile(const std::vector<double>& sorted, double fraction) {
  const double place = fraction * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  const double share = place - static_cast<double>(below);
  return (1 - share) * sorted[below] + share * sorted[above];
}

void add_percentiles(const std::vector<KlPosition>& positions, KlFigures& figures) {
  std::vector<double> sorted;
  for (const KlPosition& position : positions) sorted.push_back(position.kl);
  std::sort(sorted.begin(), sorted.end());
  figures.least = sorted.front();
  figures.largest = sorted.back();
  figures.p99_9 = percentile(sorted, 0.999);
  figures.p99 = percentile(sorted, 0.99);
  figures.p95 = percentile(sorted, 0.95);
  figures.p90 = percentile(sorted, 0.9);
  figures.median = percentile(sorted, 0.5);
  figures.p10 = percentile(sorted, 0.1);
  figures.p5 = percentile(sorted, 0.05);
  figures.p1 = percentile(sorted, 0.01);
}

void add_perplexities(const std::vector<KlPosition>& positions, KlFigures& figures) {
  Moments model(positions.size()), base(positions.size());
  for (const KlPosition& position : positions) {
    model.add(position.nll, position.nll_base);
    base.add(position.nll_base);
  }
  const auto perplexity = [](double log, double variance) {
    return MeanWithError{std::exp(log), std::exp(log) * std::sqrt(std::max(0.0, variance))};
  };
  figures.perplexity = perplexity(model.mean(), model.variance());
  figures.perplexity_base = perplexity(base.mean(), base.variance());
  figures.perplexity_ratio =
      perplexity(model.mean() - base.mean(), model.variance() + base.variance() - 2 * model.covariance());
}

void add_probabilities(const std::vector<KlPosition>& positions, KlFigures& figures) {
  Moments dp(positions.size()), squares(positions.size()), same(positions.size());
  for (const KlPosition& position : positions) {
    const double difference = std::exp(-position.nll) - std::exp(-position.nll_base);
    dp.add(difference);
    squares.add(difference * difference);
    same.add(position.same_top ? 1 : 0);
  }
  figures.dp = dp.result();
  figures.dp_rms.mean = std::sqrt(squares.mean());
  if (figures.dp_rms.mean > 0)
    figures.dp_rms.error = 0.5 / figures.dp_rms.mean * std::sqrt(squares.variance());
  figures.same_top = same.result();
}

}  // namespace

KlFigures kl_figures(const std::vector<KlPosition>& positions, std::int64_t chunks) {
  KlFigures figures;
  figures.positions = static_cast<std::int64_t>(positions.size());
  if (positions.empty()) return figures;
  Moments kl(positions.size());
  for (const KlPosition& position : positions) kl.add(position.kl);
  figures.kl = kl.result();
  add_percentiles(positions, figures);
  add_perplexities(positions, figures);
  add_probabilities(positions, figures);
  const std::size_t each = positions.size() / static_cast<std::size_t>(std::max<std::int64_t>(chunks, 1));
  for (std::size_t begin = 0; each > 0 && begin + each <= positions.size(); begin += each) {
    Moments chunk(each);
    for (std::size_t i = begin; i < begin + each; ++i) chunk.add(positions[i].kl);
    figures.chunk_kl.push_back(chunk.mean());
  }
  return figures;
}

}  // namespace emend
