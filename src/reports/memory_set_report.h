// Cells set by hand (emend/memory_set.h): on a terminal, as JSON, as a page.
#pragma once

#include <cstddef>
#include <string>

#include "base/json.h"
#include "emend/memory_set.h"

namespace emend {

std::string memory_set_text(const SetOutcome& outcome, const SetOptions& options, std::size_t columns);
ResultJson memory_set_json(const SetOutcome& outcome, const SetOptions& options, const Model& model);
std::string memory_set_page(const SetOutcome& outcome, const SetOptions& options, const Model& model);

}  // namespace emend
