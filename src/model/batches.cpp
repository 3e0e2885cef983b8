#include "model/batches.h"

namespace emend {

std::vector<RowRange> split_by_size(const std::vector<std::int64_t>& sizes, std::int64_t budget) {
  std::vector<RowRange> ranges;
  std::int64_t held = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (ranges.empty() || held + sizes[i] > budget) {
      ranges.push_back({i, i});
      held = 0;
    }
    ranges.back().end = i + 1;
    held += sizes[i];
  }
  return ranges;
}

std::vector<RowRange> split_by_tokens(const std::vector<std::vector<std::int64_t>>& rows,
                                      std::int64_t token_budget) {
  std::vector<std::int64_t> sizes;
  for (const auto& row : rows) sizes.push_back(static_cast<std::int64_t>(row.size()));
  return split_by_size(sizes, token_budget);
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
