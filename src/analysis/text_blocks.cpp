#include "analysis/text_blocks.h"

#include <algorithm>
#include <array>

namespace emend {

namespace {

constexpr std::size_t kPieceRows = 4;  // of one document that stay in one half

// The half of each row.
std::vector<int> halves_of(const std::vector<TextRow>& rows) {
  std::vector<int> half(rows.size());
  std::array<std::int64_t, kTextHalves> keys{};
  std::size_t in_piece = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const bool goes_on = i > 0 && rows[i].document == rows[i - 1].document && in_piece < kPieceRows;
    half[i] = goes_on ? half[i - 1] : (keys[1] < keys[0] ? 1 : 0);
    in_piece = goes_on ? in_piece + 1 : 1;
    keys[static_cast<std::size_t>(half[i])] += rows[i].keys();
  }
  return half;
}

std::vector<TextUnit> cut_units(const std::vector<TextRow>& rows, std::vector<std::size_t> members,
                                int half) {
  std::stable_sort(members.begin(), members.end(),
                   [&](std::size_t a, std::size_t b) { return rows[a].ids.size() < rows[b].ids.size(); });
  std::vector<TextUnit> units;
  for (const std::size_t row : members) {
    if (units.empty() || units.back().keys >= kUnitKeys) units.push_back({{}, half, 0, 0});
    units.back().rows.push_back(row);
    units.back().keys += rows[row].keys();
    units.back().tokens += static_cast<std::int64_t>(rows[row].ids.size());
  }
  return units;
}

TextBlock make_block(const std::vector<TextRow>& rows, const std::vector<int>& half, std::size_t begin,
                     std::size_t end) {
  std::array<std::vector<std::size_t>, kTextHalves> members;
  TextBlock block;
  for (std::size_t i = begin; i < end; ++i) {
    members[static_cast<std::size_t>(half[i])].push_back(i);
    block.keys += rows[i].keys();
  }
  const std::vector<TextUnit> a = cut_units(rows, members[0], 0), b = cut_units(rows, members[1], 1);
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    if (i < a.size()) block.units.push_back(a[i]);
    if (i < b.size()) block.units.push_back(b[i]);
  }
  return block;
}

}  // namespace

std::vector<TextBlock> cut_blocks(const std::vector<TextRow>& rows, std::int64_t block_keys) {
  const std::vector<int> half = halves_of(rows);
  std::vector<TextBlock> blocks;
  std::size_t begin = 0;
  std::int64_t keys = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    keys += rows[i].keys();
    if (keys < block_keys && i + 1 < rows.size()) continue;
    blocks.push_back(make_block(rows, half, begin, i + 1));
    begin = i + 1;
    keys = 0;
  }
  return blocks;
}

std::vector<UnitRange> split_units(const std::vector<TextUnit>& units, std::int64_t token_budget) {
  std::vector<UnitRange> ranges;
  std::int64_t tokens = 0;
  for (std::size_t i = 0; i < units.size(); ++i) {
    if (ranges.empty() || tokens + units[i].tokens > token_budget) {
      ranges.push_back({i, i});
      tokens = 0;
    }
    ranges.back().end = i + 1;
    tokens += units[i].tokens;
  }
  return ranges;
}

std::vector<TextUnit> coarse_units(const std::vector<TextUnit>& units) {
  constexpr std::size_t kTogether = 4;
  std::vector<TextUnit> coarse;
  std::array<std::size_t, kTextHalves> last{},
      held{};  // of each half: where its last coarse unit is, and what that holds
  for (const TextUnit& unit : units) {
    const auto half = static_cast<std::size_t>(unit.half);
    if (held[half] % kTogether == 0) {
      last[half] = coarse.size();
      coarse.push_back({{}, unit.half, 0, 0});
    }
    ++held[half];
    TextUnit& to = coarse[last[half]];
    to.rows.insert(to.rows.end(), unit.rows.begin(), unit.rows.end());
    to.keys += unit.keys;
    to.tokens += unit.tokens;
  }
  return coarse;
}

}  // namespace emend
