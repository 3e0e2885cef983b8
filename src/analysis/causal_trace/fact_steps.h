// Tracing one fact step by step, for callers that show progress or want to stop.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "emend/locate.h"

namespace emend::trace {

// trace_fact; `step` is called after each row of a grid and may throw to end the work.
FactTrace trace_fact_in_steps(const Model& model, const TraceFact& fact, const TraceOptions& options,
                              double sigma, const std::vector<std::int64_t>& others, std::uint64_t number,
                              const std::function<void()>& step);

}  // namespace emend::trace
