#include "eval/results/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "base/random.h"
#include "eval/results/interval.h"

namespace emend {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::uint64_t kStream = 0x626F6F7473747270;  // "bootstrp": nothing else draws from it

using Columns = std::vector<std::vector<double>>;
using Rows = std::vector<std::size_t>;

bool all_finite(const Columns& columns, std::size_t row) {
  return std::all_of(columns.begin(), columns.end(),
                     [row](const std::vector<double>& column) { return std::isfinite(column[row]); });
}

std::size_t record_count(const std::vector<PairedFigure>& figures) {
  std::vector<std::size_t> lengths;
  for (const PairedFigure& figure : figures) {
    if (figure.a.empty() || figure.a.size() != figure.b.size())
      throw std::invalid_argument("paired bootstrap: both runs need the same columns, at least one");
    for (const Columns* side : {&figure.a, &figure.b})
      for (const std::vector<double>& column : *side) lengths.push_back(column.size());
  }
  if (std::adjacent_find(lengths.begin(), lengths.end(), std::not_equal_to<>()) != lengths.end())
    throw std::invalid_argument("paired bootstrap: columns of different lengths");
  return lengths.empty() ? 0 : lengths.front();
}

// A figure with 0 in the rows that do not count, so that sums need no test.
class Resampled {
 public:
  Resampled(const PairedFigure& figure, std::size_t rows) : a_(figure.a), b_(figure.b), counts_(rows) {
    for (std::size_t row = 0; row < rows; ++row) {
      counts_[row] = all_finite(a_, row) && all_finite(b_, row) ? 1 : 0;
      if (counts_[row] != 0) continue;
      for (Columns* side : {&a_, &b_})
        for (std::vector<double>& column : *side) column[row] = 0;
    }
  }

  // Over the rows `drawn`; NaN when none of them counts.
  PairedDifference difference(const Rows& drawn) const {
    PairedDifference result;
    double n = 0;
    for (const std::size_t row : drawn) n += counts_[row];
    result.n = static_cast<std::int64_t>(n);
    result.a = value(a_, drawn, n);
    result.b = value(b_, drawn, n);
    result.difference = result.b - result.a;
    return result;
  }

 private:
  static double value(const Columns& columns, const Rows& drawn, double n) {
    if (n == 0) return kNaN;
    std::vector<double> means;
    for (const std::vector<double>& column : columns) {
      double sum = 0;
      for (const std::size_t row : drawn) sum += column[row];
      means.push_back(sum / n);
    }
    return means.size() == 1 ? means.front() : harmonic_mean(means);
  }

  Columns a_, b_;
  std::vector<double> counts_;  // 1: the row counts
};

// Linear between the order statistics, as numpy's default; `sorted` is not empty.
double percentile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

double two_sided_p(const std::vector<double>& differences) {
  const auto share = [&](auto condition) {
    const auto count = std::count_if(differences.begin(), differences.end(), condition);
    return static_cast<double>(count + 1) / static_cast<double>(differences.size() + 1);
  };
  const double at_or_below = share([](double x) { return x <= 0; });
  const double at_or_above = share([](double x) { return x >= 0; });
  return std::min(1.0, 2 * std::min(at_or_below, at_or_above));
}

void add_interval(PairedDifference& result, std::vector<double> differences) {
  std::sort(differences.begin(), differences.end());
  result.low = differences.empty() ? kNaN : percentile(differences, 0.025);
  result.high = differences.empty() ? kNaN : percentile(differences, 0.975);
  result.p = differences.empty() ? kNaN : two_sided_p(differences);
}

}  // namespace

std::vector<PairedDifference> paired_bootstrap(const std::vector<PairedFigure>& figures,
                                               const BootstrapOptions& options) {
  const std::size_t rows = record_count(figures);
  Rows drawn(rows);
  for (std::size_t row = 0; row < rows; ++row) drawn[row] = row;
  std::vector<Resampled> resampled;
  std::vector<PairedDifference> results;
  for (const PairedFigure& figure : figures) {
    resampled.emplace_back(figure, rows);
    results.push_back(resampled.back().difference(drawn));
  }
  const Random random(options.seed, kStream);
  std::vector<std::vector<double>> differences(figures.size());
  std::uint64_t index = 0;
  for (std::int64_t draw = 0; draw < options.draws; ++draw) {
    for (std::size_t& row : drawn) row = random.below(index++, rows);
    for (std::size_t f = 0; f < figures.size(); ++f) {
      const double difference = resampled[f].difference(drawn).difference;
      if (std::isfinite(difference)) differences[f].push_back(difference);
    }
  }
  for (std::size_t f = 0; f < figures.size(); ++f) add_interval(results[f], std::move(differences[f]));
  return results;
}

}  // namespace emend
