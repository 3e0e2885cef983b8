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

struct PairedDifference {
  double a = 0, b = 0;       // over the pairs
  double difference = 0;     // b - a
  double low = 0, high = 0;  // 95 % interval of the difference: percentiles 2.5 and 97.5 of the draws
  // Two-sided: twice the smaller of the shares of draws at or below and at or above 0, each
  // (count + 1) / (draws + 1), at most 1.
  double p = 1;
  std::int64_t n = 0;  // pairs; 0: every number is NaN
};

// Difference of the means of values that belong to the same records in the same order. Pairs in which one is
// not finite are left out. Each draw takes n pairs with replacement; the same seed gives the same numbers on
// every machine. Throws std::invalid_argument when the lengths differ.
PairedDifference paired_bootstrap(const std::vector<double>& a, const std::vector<double>& b,
                                  const BootstrapOptions& options = {});

// The same for the harmonic mean of the columns' means (the score). Only records with a value in every column
// of both count.
PairedDifference paired_bootstrap_of_score(const std::vector<std::vector<double>>& a,
                                           const std::vector<std::vector<double>>& b,
                                           const BootstrapOptions& options = {});

}  // namespace emend
