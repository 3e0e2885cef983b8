// A sweep finds what plain loops over the same numbers find.
#include "memories/portion_sweep.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "memories/some_numbers.h"

namespace emend {
namespace {

using test::Numbers;
using test::portion_of;
using test::shape_for;
using test::some_numbers;

// Sweeps rows in portions of about `size` tokens, the last portion first if `backwards`.
LayerState sweep(const Numbers& all, const StateShape& shape, bool include_first, std::size_t size,
                 bool backwards = false) {
  auto portions = test::cut_portions(all, size);
  if (backwards) std::reverse(portions.begin(), portions.end());
  LayerState state(shape);
  const ScanDraw draw(5, 2);
  for (const auto& [begin, end] : portions) {
    const std::int64_t bad =
        sweep_portion(portion_of(all, shape.gated, begin, end), draw, include_first, state);
    EXPECT_EQ(bad, -1);
  }
  return state;
}

// The plain way, one end: all tokens, then the rules of the policy as their words have them.
std::vector<TableEntry> plain_top(const Numbers& all, const StateShape& shape, bool include_first,
                                  std::int64_t cell, float sign) {
  std::vector<TableEntry> entries;
  for (std::size_t i = 0; i < all.tokens.size(); ++i)
    if (all.tokens[i].position > 0 || include_first)
      entries.push_back(
          {sign * all.key[static_cast<std::int64_t>(i)][cell].item<float>(), static_cast<std::uint32_t>(i)});
  std::sort(entries.begin(), entries.end(),
            [](const TableEntry& a, const TableEntry& b) { return a.beats(b); });
  const auto keep_first = [&](const auto& key_of) {
    std::map<decltype(key_of(entries[0])), bool> seen;
    std::vector<TableEntry> kept;
    for (const TableEntry& entry : entries)
      if (std::exchange(seen[key_of(entry)], true) == false) kept.push_back(entry);
    entries = kept;
  };
  if (shape.dedup != Dedup::kNone)
    keep_first([&](const TableEntry& entry) {
      return std::pair(all.tokens[entry.address].document, all.tokens[entry.address].window);
    });
  if (shape.dedup == Dedup::kSuffix)
    keep_first([&](const TableEntry& entry) {
      std::vector<std::int64_t> suffix;
      for (std::size_t i = entry.address;; --i) {
        suffix.push_back(all.tokens[i].id);
        if (all.tokens[i].position == 0 || suffix.size() == 12) return suffix;
      }
    });
  entries.resize(std::min(entries.size(), static_cast<std::size_t>(shape.top)));
  return entries;
}

void expect_plain(const TriggerTable& table, std::int64_t cell, const std::vector<TableEntry>& plain) {
  ASSERT_EQ(table.size(cell), plain.size());
  for (std::size_t place = 0; place < plain.size(); ++place) {
    ASSERT_EQ(table.entry(cell, place).score, plain[place].score) << "cell " << cell << " place " << place;
    ASSERT_EQ(table.entry(cell, place).address, plain[place].address) << "cell " << cell;
  }
}

class PortionSweep : public ::testing::TestWithParam<std::tuple<Dedup, bool, bool>> {};
INSTANTIATE_TEST_SUITE_P(Ways, PortionSweep,
                         ::testing::Combine(::testing::Values(Dedup::kNone, Dedup::kWindow, Dedup::kSuffix),
                                            ::testing::Bool(), ::testing::Bool()));

TEST_P(PortionSweep, TablesEqualAFullSort) {
  const auto [dedup, gated, include_first] = GetParam();
  constexpr std::int64_t kCells = 70;  // a whole tile and a part of one
  const Numbers all = some_numbers(kCells, gated);
  const StateShape shape = shape_for(kCells, gated, dedup);
  const LayerState state = sweep(all, shape, include_first, 64);
  for (std::int64_t cell = 0; cell < kCells; ++cell) {
    expect_plain(state.high, cell, plain_top(all, shape, include_first, cell, 1));
    expect_plain(state.low, cell, plain_top(all, shape, include_first, cell, -1));
  }
}

TEST_P(PortionSweep, PortionsOrderAndThreadsChangeNothing) {
  const auto [dedup, gated, include_first] = GetParam();
  const Numbers all = some_numbers(70, gated);
  const StateShape shape = shape_for(70, gated, dedup);
  const int threads = at::get_num_threads();
  const LayerState whole = sweep(all, shape, include_first, 1000);
  const auto same = [&](const LayerState& other) {
    for (const auto table : {&LayerState::high, &LayerState::low, &LayerState::random, &LayerState::spread}) {
      EXPECT_EQ((whole.*table).scores(), (other.*table).scores());
      EXPECT_EQ((whole.*table).addresses(), (other.*table).addresses());
      EXPECT_EQ((whole.*table).all_extras(), (other.*table).all_extras());
    }
    EXPECT_EQ(whole.counts.histogram, other.counts.histogram);
    EXPECT_EQ(whole.counts.active, other.counts.active);
    EXPECT_EQ(whole.counts.tokens, other.counts.tokens);
    EXPECT_EQ(whole.counts.least, other.counts.least);
    for (std::int64_t cell = 0; cell < 70; ++cell) {
      EXPECT_NEAR(whole.counts.mean(cell), other.counts.mean(cell), 1e-12);
      EXPECT_NEAR(whole.counts.variance(cell), other.counts.variance(cell), 1e-10);
    }
  };
  for (const std::size_t size : {1, 64})
    for (const bool backwards : {false, true}) same(sweep(all, shape, include_first, size, backwards));
  for (const int count : {1, 2, 5}) {
    at::set_num_threads(count);
    same(sweep(all, shape, include_first, 64));
  }
  at::set_num_threads(threads);
}

TEST_P(PortionSweep, FiguresEqualThoseOfPlainLoops) {
  const auto [dedup, gated, include_first] = GetParam();
  const Numbers all = some_numbers(70, gated);
  const LayerState state = sweep(all, shape_for(70, gated, dedup), include_first, 100);
  std::vector<std::int64_t> rows;
  for (std::size_t i = 0; i < all.tokens.size(); ++i)
    if (all.tokens[i].position > 0 || include_first) rows.push_back(static_cast<std::int64_t>(i));
  const at::Tensor index = at::tensor(rows, at::kLong);
  const at::Tensor key = all.key.index_select(0, index).to(at::kDouble);
  const at::Tensor gate = (gated ? all.gate : all.key).index_select(0, index) > 0,
                   up = all.up.index_select(0, index) > 0;
  EXPECT_EQ(state.counts.tokens, key.size(0));
  for (std::int64_t cell = 0; cell < 70; ++cell) {
    const auto at = static_cast<std::size_t>(cell);
    const auto count = [&](const at::Tensor& which) {
      return which.select(1, cell).sum().item<std::int64_t>();
    };
    EXPECT_NEAR(state.counts.mean(cell), key.select(1, cell).mean().item<double>(), 1e-10);
    EXPECT_NEAR(state.counts.variance(cell), key.select(1, cell).var(false).item<double>(), 1e-9);
    EXPECT_EQ(state.counts.least[at], key.select(1, cell).min().item<float>());
    EXPECT_EQ(state.counts.most[at], key.select(1, cell).max().item<float>());
    EXPECT_EQ(state.counts.active[at], count(gate));
    if (gated) {
      EXPECT_EQ(state.counts.both[at], count(gate & up));
      EXPECT_EQ(state.counts.gate_only[at], count(gate & ~up));
      EXPECT_EQ(state.counts.up_only[at], count(~gate & up));
    }
    std::vector<std::uint32_t> bins(coefficient_bins::kBins);
    for (std::int64_t i = 0; i < key.size(0); ++i)
      ++bins[static_cast<std::size_t>(coefficient_bins::bin_of(key[i][cell].item<float>()))];
    for (std::size_t bin = 0; bin < bins.size(); ++bin)
      ASSERT_EQ(state.counts.histogram[at * bins.size() + bin], bins[bin]) << "bin " << bin;
  }
}

TEST(PortionSweepDraws, AreTheSmallestNumbersOfAllTokensAndOfEachOctave) {
  const Numbers all = some_numbers(9, false);
  const StateShape shape = shape_for(9, false, Dedup::kWindow);
  const LayerState state = sweep(all, shape, false, 50);
  const ScanDraw draw(5, 2);
  for (std::int64_t cell = 0; cell < 9; ++cell) {
    std::vector<TableEntry> drawn;
    std::map<std::int64_t, TableEntry> best;
    for (std::size_t i = 0; i < all.tokens.size(); ++i) {
      if (all.tokens[i].position == 0) continue;
      const TableEntry entry{ScanDraw::score(draw.of_token(i), draw.of_cell(cell)),
                             static_cast<std::uint32_t>(i)};
      drawn.push_back(entry);
      const std::int64_t octave =
          coefficient_bins::bin_of(all.key[static_cast<std::int64_t>(i)][cell].item<float>()) / 2;
      const auto [there, fresh] = best.emplace(octave, entry);
      if (!fresh && entry.beats(there->second)) there->second = entry;
    }
    std::sort(drawn.begin(), drawn.end(),
              [](const TableEntry& a, const TableEntry& b) { return a.beats(b); });
    drawn.resize(4);
    expect_plain(state.random, cell, drawn);
    for (std::size_t place = 0; place < drawn.size(); ++place)
      EXPECT_EQ(state.random.extra(cell, place)[0],
                all.key[static_cast<std::int64_t>(drawn[place].address)][cell].item<float>());
    for (std::int64_t octave = 0; octave < LayerState::kSpreadBins; ++octave) {
      const std::int64_t slot = cell * LayerState::kSpreadBins + octave;
      ASSERT_EQ(state.spread.size(slot), best.count(octave));
      if (best.count(octave) > 0) {
        EXPECT_EQ(state.spread.entry(slot, 0).address, best.at(octave).address);
      }
    }
  }
}

// (u, v) and (-u, -v) are the same cell: the ends change places, and nothing else does (fixture F6).
TEST(PortionSweepSigns, FlippedCellsSwapTheirEnds) {
  const Numbers all = some_numbers(20, true);
  const Numbers flipped{-all.key, all.gate, -all.up, all.tokens};
  const StateShape shape = shape_for(20, true, Dedup::kWindow);
  const LayerState a = sweep(all, shape, false, 64), b = sweep(flipped, shape, false, 64);
  EXPECT_EQ(a.high.scores(), b.low.scores());
  EXPECT_EQ(a.high.addresses(), b.low.addresses());
  EXPECT_EQ(a.low.addresses(), b.high.addresses());
  EXPECT_EQ(a.counts.active, b.counts.active);
  for (std::int64_t cell = 0; cell < 20; ++cell)
    for (std::size_t place = 0; place < a.high.size(cell); ++place) {
      EXPECT_EQ(a.high.extra(cell, place)[0], b.low.extra(cell, place)[0]);
      EXPECT_EQ(a.high.extra(cell, place)[1], -b.low.extra(cell, place)[1]);
    }
}

TEST(PortionSweepSigns, ReluHasOneEndWithoutZeros) {
  Numbers all = some_numbers(5, false);
  all.key = at::relu(all.gate);
  all.key.select(1, 3).zero_();
  StateShape shape = shape_for(5, false, Dedup::kWindow);
  shape.one_ended = true;
  const LayerState state = sweep(all, shape, false, 64);
  EXPECT_EQ(state.high.size(3), 0U);
  EXPECT_EQ(state.counts.active[3], 0);
  for (std::size_t place = 0; place < state.high.size(0); ++place)
    EXPECT_GT(state.high.entry(0, place).score, 0);
  EXPECT_EQ(state.low.cells(), 0);
}

TEST(PortionSweepSigns, ACoefficientThatIsNoNumberIsFound) {
  for (const float bad : {std::nanf(""), INFINITY}) {
    Numbers all = some_numbers(70, false);
    all.key[11][66] = bad;
    LayerState state(shape_for(70, false, Dedup::kWindow));
    const std::int64_t found =
        sweep_portion(portion_of(all, false, 0, all.tokens.size()), ScanDraw(0, 0), true, state);
    EXPECT_EQ(found, 11);
  }
}

// Views whose rows lie apart, as the halves of a fused projection do.
TEST(PortionSweepSigns, RowsMayLieApart) {
  const Numbers all = some_numbers(30, true);
  const at::Tensor fused = at::cat({all.gate, all.up}, 1);
  const Numbers views{all.key, fused.narrow(1, 0, 30), fused.narrow(1, 30, 30), all.tokens};
  const StateShape shape = shape_for(30, true, Dedup::kWindow);
  const LayerState a = sweep(all, shape, false, 64), b = sweep(views, shape, false, 64);
  EXPECT_EQ(a.high.all_extras(), b.high.all_extras());
  EXPECT_EQ(a.counts.both, b.counts.both);
}

}  // namespace
}  // namespace emend
