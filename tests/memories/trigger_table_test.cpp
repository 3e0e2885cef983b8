// The top of a table equals a full sort, whatever the order and the parts in which tokens come (fixture F4 of
// the specification).
#include "memories/trigger_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <random>
#include <vector>

namespace emend {
namespace {

// Scores with many ties: a few levels.
std::vector<TableEntry> some_tokens(std::size_t count, int levels, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<TableEntry> tokens;
  for (std::size_t i = 0; i < count; ++i)
    tokens.push_back({static_cast<float>(static_cast<int>(random() % static_cast<std::uint64_t>(levels)) - 3),
                      static_cast<std::uint32_t>(i)});
  return tokens;
}

std::vector<TableEntry> sorted_top(std::vector<TableEntry> tokens, std::size_t top) {
  std::sort(tokens.begin(), tokens.end(),
            [](const TableEntry& a, const TableEntry& b) { return a.beats(b); });
  tokens.resize(std::min(tokens.size(), top));
  return tokens;
}

void expect_top(const TriggerTable& table, std::int64_t cell, const std::vector<TableEntry>& expected) {
  ASSERT_EQ(table.size(cell), expected.size());
  for (std::size_t place = 0; place < expected.size(); ++place) {
    EXPECT_EQ(table.entry(cell, place).score, expected[place].score) << "place " << place;
    EXPECT_EQ(table.entry(cell, place).address, expected[place].address) << "place " << place;
  }
}

TEST(TriggerTable, EqualsAFullSortInAnyOrderAndInAnyParts) {
  for (const int top : {1, 7, 25})
    for (const int levels : {2, 50, 100000}) {
      std::vector<TableEntry> tokens = some_tokens(5000, levels, 3);
      const std::vector<TableEntry> expected = sorted_top(tokens, static_cast<std::size_t>(top));
      for (int shards = 1; shards <= 7; ++shards) {
        std::shuffle(tokens.begin(), tokens.end(), std::mt19937_64(static_cast<std::uint64_t>(shards)));
        std::vector<TriggerTable> parts(static_cast<std::size_t>(shards), TriggerTable(2, top, 0));
        for (std::size_t i = 0; i < tokens.size(); ++i)
          parts[i % static_cast<std::size_t>(shards)].offer(1, tokens[i]);
        TriggerTable all(2, top, 0);
        for (auto part = parts.rbegin(); part != parts.rend(); ++part) all.merge(*part);
        expect_top(all, 1, expected);
        EXPECT_EQ(all.size(0), 0U);
      }
    }
}

TEST(TriggerTable, AFilterByItsThresholdLosesNothing) {
  const std::vector<TableEntry> tokens = some_tokens(4000, 30, 5);
  TriggerTable filtered(1, 10, 0);
  for (const TableEntry& token : tokens)
    if (token.score >= filtered.thresholds()[0]) filtered.offer(0, token);
  expect_top(filtered, 0, sorted_top(tokens, 10));
}

TEST(TriggerTable, FewTokensEnter) {
  constexpr int kTop = 50, kCells = 20;
  constexpr std::size_t kTokens = 100000;
  std::mt19937_64 random(11);
  std::uniform_real_distribution<float> uniform(0, 1);
  TriggerTable table(kCells, kTop, 0);
  std::int64_t entered = 0;
  for (std::size_t i = 0; i < kTokens; ++i)
    for (int cell = 0; cell < kCells; ++cell)
      entered += table.offer(cell, {uniform(random), static_cast<std::uint32_t>(i)}) ? 1 : 0;
  const double expected = kTop * (1 + std::log(static_cast<double>(kTokens) / kTop));
  EXPECT_NEAR(static_cast<double>(entered) / kCells, expected, 0.1 * expected);
}

TEST(TriggerTable, KeepsTheBestOfEachGroupInAnyOrder) {
  std::vector<TableEntry> tokens = some_tokens(3000, 200, 7);
  const auto group_of = [](const TableEntry& token) { return std::uint64_t{token.address % 90}; };
  std::map<std::uint64_t, TableEntry> best;
  for (const TableEntry& token : tokens) {
    const auto [there, fresh] = best.emplace(group_of(token), token);
    if (!fresh && token.beats(there->second)) there->second = token;
  }
  std::vector<TableEntry> heads;
  for (const auto& [group, token] : best) heads.push_back(token);
  const std::vector<TableEntry> expected = sorted_top(heads, 12);
  for (std::uint64_t order = 0; order < 5; ++order) {
    std::shuffle(tokens.begin(), tokens.end(), std::mt19937_64(order));
    std::vector<TriggerTable> parts(3, TriggerTable(1, 12, 0, TriggerTable::kNoFloor, true));
    for (std::size_t i = 0; i < tokens.size(); ++i) parts[i % 3].offer(0, tokens[i], {}, group_of(tokens[i]));
    parts[1].merge(parts[2]);
    parts[1].merge(parts[0]);
    expect_top(parts[1], 0, expected);
  }
}

TEST(TriggerTable, WhatIsNotAboveTheFloorNeverEnters) {
  TriggerTable table(1, 3, 0, 0.0F);
  EXPECT_FALSE(table.offer(0, {0.0F, 1}));
  EXPECT_FALSE(table.offer(0, {-1.0F, 2}));
  EXPECT_FALSE(table.offer(0, {std::nanf(""), 3}));
  EXPECT_TRUE(table.offer(0, {1e-30F, 4}));
  expect_top(table, 0, {{1e-30F, 4}});
}

TEST(TriggerTable, ExtrasStayWithTheirEntry) {
  TriggerTable table(1, 2, 2);
  for (const int i : {1, 3, 2}) {
    const std::vector<float> extra = {static_cast<float>(10 * i), static_cast<float>(-i)};
    table.offer(0, {static_cast<float>(i), static_cast<std::uint32_t>(i)}, extra);
  }
  EXPECT_EQ(table.extra(0, 0)[0], 30.0F);
  EXPECT_EQ(table.extra(0, 1)[1], -2.0F);
}

TEST(TriggerTable, RestoresWhatItGaveAndRefusesAnotherOrder) {
  TriggerTable table(3, 4, 1, TriggerTable::kNoFloor, true);
  for (const TableEntry& token : some_tokens(60, 9, 2)) {
    const std::vector<float> extra = {token.score * 2};
    table.offer(token.address % 3, token, extra, token.address);
  }
  TriggerTable again(3, 4, 1, TriggerTable::kNoFloor, true);
  ASSERT_TRUE(again.restore(table.scores(), table.addresses(), table.all_extras(), table.groups()));
  EXPECT_EQ(again.scores(), table.scores());
  for (int cell = 0; cell < 3; ++cell) EXPECT_EQ(again.thresholds()[cell], table.thresholds()[cell]);
  std::vector<float> turned = table.scores();
  std::reverse(turned.begin(), turned.end());
  EXPECT_FALSE(again.restore(turned, table.addresses(), table.all_extras(), table.groups()));
  EXPECT_FALSE(again.restore({}, table.addresses(), table.all_extras(), table.groups()));
}

TEST(TriggerTable, TakesTheMemoryOfTheFormula) {
  // The specification's table: GPT-2 small has 36,864 keys; 50 entries of 8 bytes and a threshold of 4.
  EXPECT_EQ(TriggerTable::bytes(36864, 50, 0, false), 36864 * (50 * 8 + 4));
}

}  // namespace
}  // namespace emend
