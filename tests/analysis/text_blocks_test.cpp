#include "analysis/text_blocks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace emend {
namespace {

std::vector<TextRow> rows_of(const std::vector<std::int64_t>& lengths, std::uint32_t rows_a_document = 1) {
  std::vector<TextRow> rows;
  for (std::size_t i = 0; i < lengths.size(); ++i)
    rows.push_back({std::vector<std::int64_t>(static_cast<std::size_t>(lengths[i]), 5),
                    static_cast<std::uint32_t>(i) / rows_a_document});
  return rows;
}

std::vector<std::int64_t> mixed_lengths() {
  std::vector<std::int64_t> lengths;
  for (std::int64_t i = 0; i < 200; ++i) lengths.push_back(9 + (i * 37) % 400);
  return lengths;
}

TEST(TextBlocks, EveryRowIsInOneUnitOfOneBlock) {
  const auto rows = rows_of(mixed_lengths());
  std::set<std::size_t> seen;
  std::int64_t keys = 0;
  for (const TextBlock& block : cut_blocks(rows, 8192)) {
    std::int64_t in_block = 0;
    for (const TextUnit& unit : block.units) {
      std::int64_t in_unit = 0;
      for (const std::size_t row : unit.rows) {
        EXPECT_TRUE(seen.insert(row).second) << row;
        in_unit += rows[row].keys();
      }
      EXPECT_EQ(unit.keys, in_unit);
      EXPECT_EQ(unit.tokens, in_unit + static_cast<std::int64_t>(unit.rows.size()));
      in_block += in_unit;
    }
    EXPECT_EQ(block.keys, in_block);
    keys += in_block;
  }
  EXPECT_EQ(seen.size(), rows.size());
}

TEST(TextBlocks, ABlockIsClosedOnceItHoldsItsKeys) {
  const auto rows = rows_of(mixed_lengths());
  const auto blocks = cut_blocks(rows, 5000);
  ASSERT_GT(blocks.size(), 4u);
  for (std::size_t b = 0; b + 1 < blocks.size(); ++b) {
    EXPECT_GE(blocks[b].keys, 5000);
    EXPECT_LT(blocks[b].keys, 5000 + 410);
  }
}

TEST(TextBlocks, HalvesAreBalancedAndShareNoDocument) {
  const auto rows = rows_of(mixed_lengths(), 2);
  std::set<std::uint32_t> documents[2];
  std::int64_t keys[2] = {0, 0};
  for (const TextBlock& block : cut_blocks(rows, 8192))
    for (const TextUnit& unit : block.units)
      for (const std::size_t row : unit.rows) {
        documents[unit.half].insert(rows[row].document);
        keys[unit.half] += rows[row].keys();
      }
  for (const std::uint32_t document : documents[0]) EXPECT_FALSE(documents[1].contains(document)) << document;
  EXPECT_LT(std::abs(keys[0] - keys[1]), 900);
}

TEST(TextBlocks, ALongDocumentIsSharedByBothHalvesInPieces) {
  const auto rows = rows_of(std::vector<std::int64_t>(40, 512), 40);  // one document
  std::int64_t keys[2] = {0, 0};
  for (const TextBlock& block : cut_blocks(rows, 8192))
    for (const TextUnit& unit : block.units) keys[unit.half] += unit.keys;
  EXPECT_EQ(keys[0], keys[1]);
}

TEST(TextBlocks, RowsThatRunTogetherHaveSimilarLengths) {
  const auto rows = rows_of(mixed_lengths());
  // Slots of attention when rows run as they come, and as they are cut: every pass is as wide as its longest
  // row.
  const auto slots = [&](const std::vector<std::size_t>& members) {
    std::size_t widest = 0;
    for (const std::size_t row : members) widest = std::max(widest, rows[row].ids.size());
    return widest * members.size();
  };
  std::size_t as_cut = 0, as_they_come = 0, row = 0;
  for (const TextBlock& block : cut_blocks(rows, 8192))
    for (const UnitRange range : split_units(block.units, 2200)) {
      std::vector<std::size_t> together, in_order;
      for (std::size_t u = range.begin; u < range.end; ++u)
        together.insert(together.end(), block.units[u].rows.begin(), block.units[u].rows.end());
      for (std::size_t i = 0; i < together.size(); ++i) in_order.push_back(row++);
      as_cut += slots(together);
      as_they_come += slots(in_order);
    }
  EXPECT_LT(static_cast<double>(as_cut), 0.85 * static_cast<double>(as_they_come));
}

TEST(TextBlocks, CoarseUnitsAreFourOfAHalfInOrder) {
  std::vector<TextUnit> units;
  for (std::size_t i = 0; i < 11; ++i)
    units.push_back({{i, 100 + i}, i == 10 ? 0 : static_cast<int>(i % 2), 7, 9});
  const auto coarse = coarse_units(units);  // the first half has units 0, 2, 4, 6, 8, 10
  ASSERT_EQ(coarse.size(), 4u);
  EXPECT_EQ(coarse[0].rows, (std::vector<std::size_t>{0, 100, 2, 102, 4, 104, 6, 106}));
  EXPECT_EQ(coarse[1].rows, (std::vector<std::size_t>{1, 101, 3, 103, 5, 105, 7, 107}));
  EXPECT_EQ(coarse[2].rows, (std::vector<std::size_t>{8, 108, 10, 110}));
  EXPECT_EQ(coarse[0].keys, 28);
  EXPECT_EQ(coarse[2].tokens, 18);
  EXPECT_EQ(coarse[3].half, 1);
  EXPECT_TRUE(coarse_units({}).empty());
}

TEST(TextBlocks, UnitsAreSplitByTokens) {
  std::vector<TextUnit> units(5);
  for (TextUnit& unit : units) unit.tokens = 1000;
  const auto ranges = split_units(units, 2500);
  ASSERT_EQ(ranges.size(), 3u);
  EXPECT_EQ(ranges[0].end, 2u);
  EXPECT_EQ(ranges[2].end, 5u);
  EXPECT_EQ(split_units(units, 10).size(), 5u) << "one unit at least";
}

}  // namespace
}  // namespace emend
