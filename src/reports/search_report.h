// Cells found by words (emend/memory_search.h): on a terminal and as JSON.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/json.h"
#include "emend/memory_search.h"

namespace emend {

std::string search_text(const SearchOutcome& outcome, std::size_t columns);
ResultJson search_json(const SearchOutcome& outcome, const std::vector<std::string>& words);

}  // namespace emend
