// The results of a search as a SearchJournal keeps them.
#pragma once

#include <c10/core/Device.h>

#include <span>
#include <vector>

#include "editors/common/search_unit.h"
#include "emend/search_journal.h"

namespace emend::editors {

// All of the results but their lists of losses, which nobody reads after a search. On the CPU.
FoundValues pack_results(std::span<const SearchResult> results);

// The results again, the residuals on `device`. Throws Error(kFormat) for numbers of another shape.
std::vector<SearchResult> unpack_results(const FoundValues& found, const at::Device& device);

}  // namespace emend::editors
