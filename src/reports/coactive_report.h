// Cells that fire together (emend/memory_coactive.h): on a terminal, as JSON, as a page.
#pragma once

#include <cstddef>
#include <string>

#include "base/json.h"
#include "emend/memory_coactive.h"

namespace emend {

std::string coactive_text(const CoactiveOutcome& outcome, std::size_t columns);
ResultJson coactive_json(const CoactiveOutcome& outcome, const CoactiveOptions& options, const Model& model);
std::string coactive_page(const CoactiveOutcome& outcome, const CoactiveOptions& options, const Model& model);

}  // namespace emend
