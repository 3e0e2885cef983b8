// What emend eval says at its end: tables, times, the reports beside the results, --json.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cli/console.h"
#include "emend/eval.h"

namespace emend {

// "rome: 100 records, 25 a minute: search 201 s, solve 12 s, evaluation 28 s; besides load 1 s, statistics 40
// s". The rate is that of search, solve and evaluation together.
std::string time_text(const EvalSummary& summary);
// Records a minute, as in time_text; 0 when no time was spent.
double records_per_minute(const EvalSummary& summary);

// Writes report.md and report.html of the results in `folders` into `out`, prints their tables, up to 10
// `left_out` records of the data and where the time went, and writes --json.
void report_eval(const std::filesystem::path& out, const std::vector<std::filesystem::path>& folders,
                 const std::vector<std::string>& left_out, Console& console);

}  // namespace emend
