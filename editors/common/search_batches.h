// Which values are searched in one pass: as many neighbours as its tokens allow, at least one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "editors/common/search_unit.h"
#include "emend/model.h"

namespace emend::editors {

// Tokens of a pass that takes gradients: those of the options, or 768 on the CPU and 6144 on a GPU.
std::int64_t most_search_tokens(const SearchOptions& options, const Model& model);

// The end of the batch that begins with value `begin`. `tokens` are those of each value, of all its rows from
// its lookup token on.
std::size_t search_batch_end(const std::vector<std::int64_t>& tokens, std::size_t begin, std::int64_t most);

}  // namespace emend::editors
