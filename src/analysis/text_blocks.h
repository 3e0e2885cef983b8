// Documents into rows, rows into units that are summed at once, units into blocks.
#pragma once

#include <cstdint>
#include <vector>

namespace emend {

// One row of a document: what a pass takes. Its keys are those after position 0.
struct TextRow {
  std::vector<std::int64_t> ids;
  std::uint32_t document = 0;
  std::int64_t keys() const { return static_cast<std::int64_t>(ids.size()) - 1; }
};

// Rows of one half of the text whose keys are multiplied as one portion.
struct TextUnit {
  std::vector<std::size_t> rows;
  int half = 0;
  std::int64_t keys = 0, tokens = 0;
};

struct TextBlock {
  std::vector<TextUnit> units;
  std::int64_t keys = 0;
};

// Keys that a unit has at least, unless it is the last of its half in a block: enough for matrix products to
// run at their full rate, few enough for their float32 sums to stay exact to 1e-6.
inline constexpr std::int64_t kUnitKeys = 1024;

// Blocks of whole rows, in order: each is closed once it holds `block_keys` keys. Documents (long ones in
// pieces of a few rows) go to the half that has fewer keys so far, so that the halves share no text. Within a
// block the rows of a half are sorted by length before they are cut into units: rows that run together have
// similar lengths, and since every document is a row of its own that only attention pads, nothing is computed
// for padding outside it and little within.
std::vector<TextBlock> cut_blocks(const std::vector<TextRow>& rows, std::int64_t block_keys);

// Consecutive units [begin, end) of a block that run in one pass of at most `token_budget` tokens (one unit
// at least).
struct UnitRange {
  std::size_t begin, end;
};
std::vector<UnitRange> split_units(const std::vector<TextUnit>& units, std::int64_t token_budget);

// The units of each half by fours: what a GPU multiplies at once, since there adding a product to the sum costs as much as
// multiplying a thousand keys. Their float32 sums stay exact to some 1e-6.
std::vector<TextUnit> coarse_units(const std::vector<TextUnit>& units);

}  // namespace emend
