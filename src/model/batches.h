// Rows into passes of a bounded size.
#pragma once

#include <cstdint>
#include <vector>

namespace emend {

// Consecutive groups [begin, end) of rows whose lengths add up to at most `token_budget` (one row at least each).
struct RowRange {
  std::size_t begin, end;
};
std::vector<RowRange> split_by_tokens(const std::vector<std::vector<std::int64_t>>& rows, std::int64_t token_budget);

// Index of the last packed token of each row.
std::vector<std::int64_t> last_tokens(const std::vector<std::vector<std::int64_t>>& rows);

}  // namespace emend
