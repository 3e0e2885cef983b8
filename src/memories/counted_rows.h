// The rows of a portion of text without the tokens that do not count.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "analysis/text_visitor.h"

namespace emend {

struct RowRange {
  std::size_t begin, end;  // tokens of the portion; both equal if none of the row counts
};

// Tokens at position 0 count with `include_first` only.
inline std::vector<RowRange> counted_rows(std::span<const TextToken> tokens, bool include_first) {
  std::vector<RowRange> rows;
  for (std::size_t at = 0; at < tokens.size(); ++at) {
    const bool begins = at == 0 || tokens[at].document != tokens[at - 1].document ||
                        tokens[at].window != tokens[at - 1].window;
    if (begins) rows.push_back({at, at});
    if (tokens[at].position == 0 && !include_first) rows.back().begin = at + 1;
    rows.back().end = at + 1;
  }
  return rows;
}

}  // namespace emend
