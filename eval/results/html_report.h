// One page that needs nothing else: tables, distributions, retention, the worst cases with their text before
// and after.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "eval/results/results_file.h"

namespace emend {

struct HtmlReportOptions {
  std::string title;             // empty: made from data set and model
  std::size_t worst_cases = 20;  // of each kind and run, at most; the page says how many there are in all
};

// Runs over the same records of the same model. All text is escaped; no scripts, no network; light and dark
// by the reader's setting.
std::string html_report(const std::vector<EvalResults>& runs, const HtmlReportOptions& options = {});

}  // namespace emend
