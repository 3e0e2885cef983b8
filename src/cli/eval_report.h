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

// Writes report.md and report.html beside the results, prints their tables, records of the data that were left
// out and where the time went, and writes --json.
void report_eval(const BenchmarkOutcome& outcome, Console& console);

}  // namespace emend
