// Rows that begin alike, as trees of tokens: each distinct beginning is computed once (PassInput::token_of).
#pragma once

#include <cstdint>
#include <vector>

namespace emend {

struct SharedTokens {
  std::vector<std::vector<std::int64_t>> token_of;  // of each position of each row
  struct Place {
    std::size_t row, position;
  };
  std::vector<Place> first;  // of each token: where it is met first
  std::int64_t count() const { return static_cast<std::int64_t>(first.size()); }
};

// Rows of one group share their common beginnings; rows of different groups (differently edited models) share
// nothing.
SharedTokens share_tokens(const std::vector<std::vector<std::int64_t>>& rows,
                          const std::vector<std::int64_t>& group);

}  // namespace emend
