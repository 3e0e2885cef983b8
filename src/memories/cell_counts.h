// What is counted of every cell over all tokens. All of it is added without rounding that an order could
// change: whole numbers, extremes, and sums of portions in fixed point.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace emend {

// Coefficients by sign and size: 64 bins, two an octave (they end at 1.5 and 2 times a power of two), from
// the most negative to the largest. The inner bins also hold what is smaller than 2^-10, the outer ones what
// is larger than 64.
namespace coefficient_bins {
inline constexpr int kBins = 64;
inline constexpr int kOfSign = kBins / 2;
// The bin of a number by its bits: exponent and first bit of the fraction.
inline constexpr int kFirstExponent = -10;

int bin_of(float coefficient);
// Where bin `bin` begins and ends: [low, high) of positive ones, (low, high] of negative ones. The innermost
// end at 0; the outermost have no end (infinite).
double low_edge(int bin);
double high_edge(int bin);
}  // namespace coefficient_bins

// A sum of doubles that does not depend on the order in which they come: whole part and 2^-40ths apart.
struct ExactSum {
  std::int64_t whole = 0, fraction = 0;
  void add(double value);
  void add(const ExactSum& other) {
    whole += other.whole;
    fraction += other.fraction;
  }
  double value() const;
};

// The figures of all cells of one layer.
class CellCounts {
 public:
  CellCounts() = default;
  explicit CellCounts(std::int64_t cells);

  std::int64_t cells() const { return static_cast<std::int64_t>(sum.size()); }
  void merge(const CellCounts& other);

  double mean(std::int64_t cell) const;
  double variance(std::int64_t cell) const;  // of the population
  double active_share(std::int64_t cell) const;
  // The coefficient below which a share `q` of the tokens lies, read from the histogram, of whatever sample
  // it is: within its bin of half an octave, linear between the bin's ends (or the extremes, where they are
  // nearer). 0 with an empty histogram.
  double quantile(std::int64_t cell, double q) const;

  std::int64_t tokens = 0;
  std::vector<std::int64_t> active;  // tokens with a positive score (of the gate, if there is one)
  std::vector<std::int64_t> both, gate_only, up_only;  // gate and up positive; one of them alone
  std::vector<ExactSum> sum, squares;
  std::vector<float> least, most;
  std::vector<std::uint32_t> histogram;  // [cells, kBins]; of the tokens of the sample (scan_draw.h)
};

// The same reading of any histogram with kBins bins: of a layer, all cells together.
double histogram_quantile(std::span<const std::int64_t> bins, double least, double most, double q);

// The shares for which quantiles are told: 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999.
inline constexpr double kQuantiles[] = {0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999};

}  // namespace emend
