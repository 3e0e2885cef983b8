// The rows of a portion of text without the tokens that do not count.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "analysis/text_visitor.h"

namespace emend {

// Tokens [begin, begin + length) of a portion.
struct CountedRow {
  std::int64_t begin, length;
};

// Rows with at least one token that counts; those at position 0 count with `include_first` only.
inline std::vector<CountedRow> counted_rows(std::span<const TextToken> tokens, bool include_first) {
  std::vector<CountedRow> rows;
  for (std::size_t at = 0; at < tokens.size(); ++at) {
    const auto place = static_cast<std::int64_t>(at);
    const bool begins = at == 0 || tokens[at].document != tokens[at - 1].document ||
                        tokens[at].window != tokens[at - 1].window;
    if (begins) rows.push_back({place, 0});
    if (tokens[at].position == 0 && !include_first)
      rows.back() = {place + 1, 0};
    else
      ++rows.back().length;
  }
  std::erase_if(rows, [](const CountedRow& row) { return row.length == 0; });
  return rows;
}

}  // namespace emend
