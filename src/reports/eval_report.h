// The reports of a benchmark: for the terminal, as JSON, and the files beside its results.
#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "emend/eval.h"

namespace emend {

// Tables of figures, some records of the data that were left out, and where the time went. `columns` of the
// terminal; 0: no limit.
std::string eval_report(const BenchmarkOutcome& outcome, std::size_t columns);

// A list of all summaries, each with its `records_per_minute`.
nlohmann::ordered_json eval_json(const BenchmarkOutcome& outcome);

// The figures of the runs and what they were made with, as Markdown.
std::string eval_markdown(const std::vector<EvalSummary>& runs);

// Writes report.html and report.md into the folder of the outcome, and returns their paths.
std::vector<std::filesystem::path> write_eval_reports(const BenchmarkOutcome& outcome);

}  // namespace emend
