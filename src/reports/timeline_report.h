// The time line of a prompt (emend/memory_timeline.h): on a terminal, as JSON, as a page.
#pragma once

#include <cstddef>
#include <string>

#include "base/json.h"
#include "emend/memory_timeline.h"

namespace emend {

std::string timeline_text(const TimelineOutcome& outcome, std::size_t columns);
ResultJson timeline_json(const TimelineOutcome& outcome, const TimelineOptions& options, const Model& model);
std::string timeline_page(const TimelineOutcome& outcome, const TimelineOptions& options, const Model& model);

}  // namespace emend
