// Results that benchmarks left on disk: read again, and compared record by record.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "emend/eval.h"

namespace emend {

// Throws Error(kIo) if the folder does not exist, Error(kFormat) if it holds no results (if its subfolders
// do, they are named) or broken ones.
EvalResults read_results(const std::filesystem::path& folder);

// `folder` itself if it holds a summary.json, else those of its subfolders that do, sorted by name.
std::vector<std::filesystem::path> find_results(const std::filesystem::path& folder);

// --- Two runs over the same records, metric by metric, with a paired bootstrap: do they differ by more than
// chance? (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 13 and 15; Koehn, EMNLP
// 2004.)

struct BootstrapOptions {
  std::uint64_t seed = 0;
  std::int64_t draws = 10000;  // at least 1
};

struct PairedDifference {
  double a = 0, b = 0;       // means over the records that have a value in both runs
  double difference = 0;     // b - a
  double low = 0, high = 0;  // 95 % interval of the difference: percentiles 2.5 and 97.5 of the draws
  // Two-sided: twice the smaller of the shares of draws at or below and at or above 0, each
  // (count + 1) / (draws + 1), at most 1. Not corrected for the number of metrics.
  double p = 1;
  std::int64_t n = 0;  // of those records; 0: every number is NaN
};

struct ComparedMetric {
  std::string metric;
  PairedDifference values;
};

// The same at one point of the curves of two sequential runs, over the records so far.
struct ComparedPoint {
  std::int64_t edits = 0;
  std::vector<ComparedMetric> metrics;  // the scores and the successes, as far as both runs have them
};

struct Comparison {
  std::string name_a, name_b;  // labels; folders if the labels are the same
  std::filesystem::path folder_a, folder_b;
  std::vector<ComparedMetric> metrics;      // those that both runs have; `score` if its parts are among them
  std::vector<ComparedPoint> curve;         // points that both runs have; none for other runs
  std::int64_t shared = 0;                  // records evaluated in both
  std::vector<std::string> only_a, only_b;  // ids of records evaluated in one of the two
  std::vector<std::string> warnings;        // in sentences: model, data, mode, seed or version differ
  BootstrapOptions bootstrap;
};

// Records are paired by id; a record that was left out of one run (already true, skipped) counts as not
// evaluated there. Throws Error(kConfig) if no record is shared, or if one id stands for two records (another
// prompt or target).
Comparison compare_runs(const EvalResults& a, const EvalResults& b, const BootstrapOptions& options = {});
// The same of two folders. Throws what read_results throws.
Comparison compare_runs(const std::filesystem::path& a, const std::filesystem::path& b,
                        const BootstrapOptions& options = {});

}  // namespace emend
