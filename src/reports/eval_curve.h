// The curves of sequential runs: how the figures go as edits are added, as tables and as charts.
#pragma once

#include <vector>

#include "emend/eval.h"
#include "reports/eval_tables.h"
#include "reports/page.h"

namespace emend {

// Points of all runs by the answers that are compared, then by the generated ones; what no run measured has
// no column. Empty if no run has a curve.
std::vector<SummarySection> curve_sections(const std::vector<EvalSummary>& runs);

// One chart a figure with all runs in it, edits on a logarithmic axis, intervals as bands. Empty if no run
// has a curve.
std::vector<TitledChart> curve_charts(const std::vector<EvalSummary>& runs);

}  // namespace emend
