// The charts of a benchmark report: which figures go into which.
#pragma once

#include <string>
#include <vector>

#include "emend/eval.h"
#include "report/svg.h"
#include "reports/page.h"

namespace emend {

// A figure with the ends of its interval; one that is not known has no length.
Dot dot_of(const std::string& metric, const MetricSummary& figure);

// Unedited against the runs: all shares in one chart (those of the other form in a second one), each other
// metric in one of its own.
std::vector<TitledChart> interval_charts(const std::vector<EvalSummary>& runs);

// One chart a metric over the number of edits; empty when no run has points.
std::vector<TitledChart> retention_charts(const std::vector<EvalSummary>& runs);

struct Distribution {
  std::string title, note;
  std::vector<TitledChart> charts;  // one a run that has such questions
};

// Probability of the target on the prompts and on the paraphrases, and how far the neighbours' own answer
// leads. Those of which no run has any are left out.
std::vector<Distribution> distributions(const std::vector<EvalResults>& runs);

}  // namespace emend
