#include "model/batches.h"

namespace emend {

std::vector<RowRange> split_by_tokens(const std::vector<std::vector<std::int64_t>>& rows, std::int64_t token_budget) {
  std::vector<RowRange> ranges;
  std::int64_t held = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto length = static_cast<std::int64_t>(rows[i].size());
    if (ranges.empty() || held + length > token_budget) {
      ranges.push_back({i, i});
      held = 0;
    }
    ranges.back().end = i + 1;
    held += length;
  }
  return ranges;
}

std::vector<std::int64_t> last_tokens(const std::vector<std::vector<std::int64_t>>& rows) {
  std::vector<std::int64_t> last;
  std::int64_t total = 0;
  for (const auto& row : rows) {
    total += static_cast<std::int64_t>(row.size());
    last.push_back(total - 1);
  }
  return last;
}

}  // namespace emend
