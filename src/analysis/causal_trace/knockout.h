// Attention knockout (Geva et al. 2023, section 4): which tokens must the last one see, and in which layers?
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/causal_trace/trace_runs.h"

namespace emend::trace {

// The answer's probability in the clean run when the last prompt token (and the answer's tokens behind it) do
// not see the tokens of `sets[i]` in the window of layers around each layer: [sets][L]. Nothing before the
// last token can change (causality), so each cell is a row of that token alone on the clean keys and values.
std::vector<std::vector<double>> run_knockouts(const Model& model, const TraceRuns& runs,
                                               const std::vector<std::vector<std::int64_t>>& sets,
                                               int window);

}  // namespace emend::trace
