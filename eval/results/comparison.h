// Two runs over the same records, metric by metric.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "eval/results/bootstrap.h"
#include "eval/results/results_file.h"

namespace emend {

struct ComparedMetric {
  std::string metric;
  PairedDifference values;
};

struct Comparison {
  std::string name_a, name_b;               // labels; folders when the labels are the same
  std::vector<ComparedMetric> metrics;      // those that both runs have; `score` where its parts are there
  std::int64_t shared = 0;                  // records evaluated in both
  std::vector<std::string> only_a, only_b;  // ids of records evaluated in one of the two
  std::vector<std::string> warnings;        // model, data, mode, seed or version differ: in sentences
  BootstrapOptions bootstrap;
};

// Records are paired by id; those that were not evaluated in either run (already true, skipped) are not compared. A pair
// whose prompt or target differ is not the same record: Error(kConfig) naming it. Throws Error(kConfig) when
// no record is shared.
Comparison compare_runs(const EvalResults& a, const EvalResults& b, const BootstrapOptions& options = {});

// `columns` of the terminal; 0: no limit.
std::string comparison_text(const Comparison& comparison, std::size_t columns);

nlohmann::ordered_json comparison_json(const Comparison& comparison);

}  // namespace emend
