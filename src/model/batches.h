// Rows into passes of a bounded size.
#pragma once

#include <cstdint>
#include <vector>

namespace emend {

struct RowRange {
  std::size_t begin, end;
};
// Consecutive groups [begin, end) whose sizes add up to at most `budget` (one at least each).
std::vector<RowRange> split_by_size(const std::vector<std::int64_t>& sizes, std::int64_t budget);
// The same of rows by their lengths.
std::vector<RowRange> split_by_tokens(const std::vector<std::vector<std::int64_t>>& rows,
                                      std::int64_t token_budget);

// Index of the last packed token of each row.
std::vector<std::int64_t> last_tokens(const std::vector<std::vector<std::int64_t>>& rows);

}  // namespace emend
