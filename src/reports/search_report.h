// Cells found by words (emend/memory_search.h): on a terminal, as JSON, as a page.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/json.h"
#include "emend/memory_index.h"
#include "emend/memory_search.h"

namespace emend {

std::string search_text(const SearchOutcome& outcome, std::size_t columns);
ResultJson search_json(const SearchOutcome& outcome, const std::vector<std::string>& words);
// With what the index that was searched holds of each cell: words of its value and its best examples.
std::string search_page(const SearchOutcome& outcome, const std::vector<std::string>& words,
                        const MemoryIndex& index);

}  // namespace emend
