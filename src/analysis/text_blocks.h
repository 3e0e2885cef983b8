// Documents into rows, rows into units that are summed at once, units into blocks.
#pragma once

#include <cstdint>
#include <vector>

namespace emend {

// Halves that a text is divided into; no piece of text is in both.
inline constexpr int kTextHalves = 2;

// One row of a document: what a pass takes. Its keys are those after position 0.
struct TextRow {
  std::vector<std::int64_t> ids;
  std::uint32_t document = 0;
  std::uint32_t window = 0;  // which row of the document
  std::int64_t keys() const { return static_cast<std::int64_t>(ids.size()) - 1; }
};

// Rows of one half of the text whose vectors are visited as one portion.
struct TextUnit {
  std::vector<std::size_t> rows;
  int half = 0;
  std::int64_t keys = 0, tokens = 0;
};

struct TextBlock {
  std::vector<TextUnit> units;
  std::int64_t keys = 0;
};

// The least number of keys of a unit that is not the last of its half in a block: enough for matrix products
// to run at their full rate, few enough for their float32 sums to stay exact to 1e-6.
inline constexpr std::int64_t kUnitKeys = 1024;

// Blocks of whole rows, in order: a block is complete once it holds `block_keys` keys. Documents (long ones
// in pieces of a few rows) go to the half that has fewer keys so far, so that the halves share no text.
// Within a block the rows of a half are sorted by length before they are cut into units. Rows that run
// together then have similar lengths, so attention, the only place with padding, computes little for it.
std::vector<TextBlock> cut_blocks(const std::vector<TextRow>& rows, std::int64_t block_keys);

// Consecutive units [begin, end) of a block that run in one pass of at most `token_budget` tokens, or of one
// unit that is larger.
struct UnitRange {
  std::size_t begin, end;
};
std::vector<UnitRange> split_units(const std::vector<TextUnit>& units, std::int64_t token_budget);

// Joins the units of each half by fours: what a GPU multiplies at once, since adding a product to the sum
// costs as much there as multiplying a thousand keys. Their float32 sums stay exact to about 1e-6.
std::vector<TextUnit> coarse_units(const std::vector<TextUnit>& units);

}  // namespace emend
