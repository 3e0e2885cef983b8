// First-order estimates of all cells of all grids from one backward pass.
#pragma once

#include <vector>

#include "analysis/causal_trace/trace_runs.h"

namespace emend::trace {

// Mean over the samples of (clean - corrupted) . dp/d(vector) at each (token, block), the gradient taken in
// the corrupted run.
struct Attribution {
  Grid block, mlp, attention;  // [prompt tokens][L]
};

// One forward and one backward pass over the corrupted rows; gradients flow to vectors, never to weights.
Attribution attribute(const Model& model, const TraceRuns& runs);

// Sums of the estimates of single outputs over the windows: [T][L].
Grid window_sums(const Grid& single, int width);

// Spearman's rank correlation with mean ranks for ties; NaN for fewer than three pairs or when one side is
// constant.
double rank_correlation(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace emend::trace
