// Paired bootstrap: do two runs over the same records differ by more than chance? (Efron and Tibshirani, An
// Introduction to the Bootstrap, 1993, chapters 13 and 15; Koehn, EMNLP 2004.)
#pragma once

#include <cstdint>
#include <vector>

namespace emend {

inline constexpr std::int64_t kBootstrapDraws = 10000;

struct BootstrapOptions {
  std::uint64_t seed = 0;
  std::int64_t draws = kBootstrapDraws;  // at least 1
};

// One figure of both runs, A and B: the mean of a column, or the harmonic mean of the means of several (the
// score). A column holds one value a record, in one order for both runs and all figures; a record with a
// value that is not finite ("not measured") does not count for the figure.
struct PairedFigure {
  std::vector<std::vector<double>> a, b;
};

struct PairedDifference {
  double a = 0, b = 0;       // over the records that count
  double difference = 0;     // b - a
  double low = 0, high = 0;  // 95 % interval of the difference: percentiles 2.5 and 97.5 of the draws
  // Two-sided: twice the smaller of the shares of draws at or below and at or above 0, each
  // (count + 1) / (draws + 1), at most 1.
  double p = 1;
  std::int64_t n = 0;  // records that count; 0: every number is NaN
};

// Each draw takes as many records as there are, with replacement, the same for all figures. The same seed
// gives the same draws on every machine. Throws std::invalid_argument when lengths differ.
std::vector<PairedDifference> paired_bootstrap(const std::vector<PairedFigure>& figures,
                                               const BootstrapOptions& options = {});

}  // namespace emend
