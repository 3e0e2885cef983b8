#include "memories/value_agreement.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/random.h"

namespace emend {
namespace {

constexpr int kShuffles = 100;

double largest(const TailTriggers& tail) {
  return tail.coefficients.empty() ? 0 : std::abs(tail.coefficients.front());
}

// Share of cells that agree once the next tokens are permuted (Fisher and Yates), mean of kShuffles.
double shuffled_agreement(const std::vector<std::int64_t>& favourites, std::vector<std::int64_t> next,
                          std::uint64_t seed, int layer) {
  if (next.empty()) return 0;
  std::int64_t hits = 0;
  for (int shuffle = 0; shuffle < kShuffles; ++shuffle) {
    const Random random(seed,
                        static_cast<std::uint64_t>(layer) * kShuffles + static_cast<std::uint64_t>(shuffle));
    for (std::size_t i = next.size() - 1; i > 0; --i) std::swap(next[i], next[random.below(i, i + 1)]);
    for (std::size_t i = 0; i < next.size(); ++i) hits += favourites[i] == next[i] ? 1 : 0;
  }
  return static_cast<double>(hits) / kShuffles / static_cast<double>(next.size());
}

PredictiveBin bin_of(const std::vector<CellAgreement>& cells, std::size_t begin, std::size_t end) {
  PredictiveBin bin;
  bin.cells = static_cast<std::int64_t>(end - begin);
  if (begin == end) return bin;
  bin.low = cells[begin].probability;
  bin.high = cells[end - 1].probability;
  for (std::size_t i = begin; i < end; ++i) bin.agreement += cells[i].agrees ? 1 : 0;
  bin.agreement /= static_cast<double>(end - begin);
  return bin;
}

// The defined ones, by rising probability.
void keep_defined(std::vector<CellAgreement>& cells) {
  std::erase_if(cells, [](const CellAgreement& cell) { return cell.next < 0; });
  std::stable_sort(cells.begin(), cells.end(), [](const CellAgreement& a, const CellAgreement& b) {
    return a.probability < b.probability;
  });
}

CellAgreement agreement_of(const ScoredTable& scored, std::int64_t index, const CellTriggers& cell) {
  const TailTriggers& tail = cell.dominant();
  CellAgreement one;
  one.positive = cell.dominant_is_high();
  one.probability = scored.table.largest_probability(index, one.positive);
  if (tail.next.empty() || tail.next.front() < 0) return one;
  const std::int64_t favourite = scored.table.favourite(index, one.positive);
  const std::int64_t rank = (one.positive ? scored.ranks : scored.low_ranks)[index][0].item<std::int64_t>();
  if (rank < 0) return one;  // a token that takes no part
  one.next = tail.next.front();
  one.rank = rank;
  one.agrees = favourite == one.next;
  one.echoes = favourite == tail.read.front();
  std::int64_t defined = 0, hits = 0;
  for (const std::int64_t next : tail.next) {
    defined += next >= 0 ? 1 : 0;
    hits += next == favourite ? 1 : 0;
  }
  one.precision = static_cast<double>(hits) / static_cast<double>(defined);
  one.any_agrees = hits > 0;
  return one;
}

}  // namespace

bool CellTriggers::dominant_is_high() const {
  return largest(high) >= largest(low);
}

at::Tensor next_tokens_of(const std::vector<CellTriggers>& cells) {
  std::vector<std::int64_t> next;
  next.reserve(cells.size());
  for (const CellTriggers& cell : cells) {
    const TailTriggers& tail = cell.dominant();
    next.push_back(tail.next.empty() ? -1 : tail.next.front());
  }
  return at::tensor(next, at::kLong).unsqueeze(1);
}

std::vector<CellAgreement> agreement_of_cells(const ScoredTable& scored,
                                              const std::vector<CellTriggers>& cells) {
  std::vector<CellAgreement> all;
  all.reserve(cells.size());
  for (const CellTriggers& cell : cells)
    all.push_back(agreement_of(scored, static_cast<std::int64_t>(all.size()), cell));
  return all;
}

ValueAgreement summarize_agreement(const ScoredTable& scored, const std::vector<CellTriggers>& cells,
                                   const std::vector<CellAgreement>& agreement, std::int64_t vocabulary,
                                   std::uint64_t seed) {
  ValueAgreement summary;
  summary.uniform = 1.0 / static_cast<double>(vocabulary);
  std::vector<std::int64_t> favourites, next;
  std::vector<double> ranks;
  for (std::size_t i = 0; i < agreement.size(); ++i) {
    const CellAgreement& cell = agreement[i];
    summary.triggers = std::max(summary.triggers, static_cast<int>(cells[i].dominant().next.size()));
    if (cell.next < 0) continue;
    favourites.push_back(scored.table.favourite(static_cast<std::int64_t>(i), cell.positive));
    next.push_back(cell.next);
    ranks.push_back(static_cast<double>(cell.rank));
    summary.agreement += cell.agrees ? 1 : 0;
    summary.echo += cell.echoes ? 1 : 0;
    summary.precision += cell.precision;
    summary.mean_reciprocal_rank += 1.0 / static_cast<double>(cell.rank + 1);
    summary.hit10 += cell.rank < 10 ? 1 : 0;
  }
  summary.defined = static_cast<std::int64_t>(ranks.size());
  for (std::size_t q = 0; q < 3; ++q) summary.rank[q] = quantile_of(ranks, 0.25 * static_cast<double>(q + 1));
  if (ranks.empty()) return summary;
  for (double* const sum :
       {&summary.agreement, &summary.echo, &summary.precision, &summary.mean_reciprocal_rank, &summary.hit10})
    *sum /= static_cast<double>(ranks.size());
  summary.shuffled = shuffled_agreement(favourites, next, seed, scored.table.layer);
  return summary;
}

std::vector<PredictiveBin> bins_of_equal_width(std::vector<CellAgreement> cells, int bins) {
  keep_defined(cells);
  if (cells.empty()) return {};
  const double low = cells.front().probability, width = (cells.back().probability - low) / bins;
  std::vector<PredictiveBin> found;
  std::size_t begin = 0;
  for (int b = 1; b <= bins; ++b) {
    const double edge = low + width * b;
    std::size_t end = begin;
    while (end < cells.size() && (b == bins || cells[end].probability < edge)) ++end;
    found.push_back(bin_of(cells, begin, end));
    found.back().low = edge - width;
    found.back().high = edge;
    begin = end;
  }
  return found;
}

std::vector<PredictiveBin> bins_of_equal_count(std::vector<CellAgreement> cells, int bins) {
  keep_defined(cells);
  if (cells.empty()) return {};
  std::vector<PredictiveBin> found;
  for (int b = 0; b < bins; ++b)
    found.push_back(bin_of(cells, cells.size() * static_cast<std::size_t>(b) / static_cast<std::size_t>(bins),
                           cells.size() * static_cast<std::size_t>(b + 1) / static_cast<std::size_t>(bins)));
  return found;
}

double quantile_of(std::vector<double> values, double share) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  const auto at = static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

}  // namespace emend
