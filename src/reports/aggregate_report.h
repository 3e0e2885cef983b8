// How cells and layers come to the answer (emend/memory_aggregate.h): on a terminal, as JSON, as a page.
#pragma once

#include <cstddef>
#include <string>

#include "base/json.h"
#include "emend/memory_aggregate.h"

namespace emend {

std::string aggregate_text(const AggregateOutcome& outcome, std::size_t columns);
ResultJson aggregate_json(const AggregateOutcome& outcome, const AggregateOptions& options,
                          const Model& model);
std::string aggregate_page(const AggregateOutcome& outcome, const AggregateOptions& options,
                           const Model& model);

// The curves and the tables of the page without its frame, for pages that show more.
std::string aggregate_sections(const ResultJson& aggregate);

}  // namespace emend
