// The sweep by kernels, as C++ of the CPU: it finds what the sweep of the CPU finds, table by table.
#include "memories/kernel_sweep.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <tuple>

#include "memories/kernel_check.h"
#include "memories/same_states.h"
#include "memories/some_numbers.h"

namespace emend {
namespace {

using test::by_the_cpu;
using test::expect_same;
using test::Numbers;
using test::portion_of;
using test::shape_for;
using test::some_numbers;

constexpr std::int64_t kSwept = 70;

LayerState by_kernels(const Numbers& all, const StateShape& shape, const ScanDraw& draw, bool include_first,
                      std::size_t size) {
  LayerState state(shape);
  KernelSweep sweep(draw, include_first);
  EXPECT_TRUE(KernelSweep::can_take(shape, all.key.scalar_type(), all.key.device()));
  for (const auto& [begin, end] : test::cut_portions(all, size))
    sweep.take(portion_of(all, shape.gated, begin, end), state);
  EXPECT_FALSE(sweep.find_bad());
  sweep.fetch(state);
  return state;
}

class KernelSweeps : public ::testing::TestWithParam<std::tuple<bool, bool>> {};
INSTANTIATE_TEST_SUITE_P(Ways, KernelSweeps, ::testing::Combine(::testing::Bool(), ::testing::Bool()));

// Also where more rows come at once than are swept together.
TEST_P(KernelSweeps, FindWhatTheSweepOfTheCpuFinds) {
  const auto [gated, include_first] = GetParam();
  const StateShape shape = shape_for(kSwept, gated, Dedup::kWindow);
  for (const int rows : {60, 600}) {
    const Numbers all = some_numbers(kSwept, gated, rows);
    for (const int bits : {0, 2}) {
      const ScanDraw draw(5, 2, bits);
      const LayerState wanted = by_the_cpu(all, shape, draw, include_first, 64);
      for (const std::size_t size : {std::size_t{20}, std::size_t{100000}}) {
        SCOPED_TRACE(testing::Message()
                     << rows << " rows, sample of 1 in " << (1 << bits) << ", portions of " << size);
        expect_same(by_kernels(all, shape, draw, include_first, size), wanted);
      }
    }
  }
}

// Which rows make a portion changes not even the sums.
TEST_P(KernelSweeps, PortionsChangeNothing) {
  const auto [gated, include_first] = GetParam();
  const Numbers all = some_numbers(kSwept, gated, 60);
  const StateShape shape = shape_for(kSwept, gated, Dedup::kWindow);
  const LayerState one = by_kernels(all, shape, ScanDraw(5, 2), include_first, 100000),
                   many = by_kernels(all, shape, ScanDraw(5, 2), include_first, 16);
  expect_same(one, many);
  for (std::size_t cell = 0; cell < static_cast<std::size_t>(kSwept); ++cell) {
    EXPECT_EQ(one.counts.sum[cell].value(), many.counts.sum[cell].value());
    EXPECT_EQ(one.counts.squares[cell].value(), many.counts.squares[cell].value());
  }
}

// In the types of a GPU's pass: the same numbers, widened, on the CPU. An odd number of cells, or vectors
// that begin at an odd place, cannot be read in pairs.
TEST_P(KernelSweeps, NarrowTypesAreTakenAsTheyAre) {
  const auto [gated, include_first] = GetParam();
  for (const at::ScalarType type : {at::kBFloat16, at::kHalf})
    for (const std::int64_t cells : {kSwept, kSwept + 1})
      for (const bool shifted : {false, true}) {
        SCOPED_TRACE(testing::Message()
                     << c10::toString(type) << ", " << cells << " cells, shifted " << shifted);
        Numbers narrow = some_numbers(cells, gated, 40);
        Numbers wide = narrow;
        for (at::Tensor Numbers::*scores : {&Numbers::key, &Numbers::gate, &Numbers::up}) {
          const at::Tensor rounded = (narrow.*scores).to(type);
          wide.*scores = rounded.to(at::kFloat);
          const at::Tensor room = at::zeros({rounded.size(0), cells + 3}, type);
          narrow.*scores = shifted ? room.narrow(1, 1, cells).copy_(rounded) : rounded;
        }
        const StateShape shape = shape_for(cells, gated, Dedup::kWindow);
        expect_same(by_kernels(narrow, shape, ScanDraw(1, 0), include_first, 100),
                    by_the_cpu(wide, shape, ScanDraw(1, 0), include_first, 100));
      }
}

// A checkpoint fetches the state in between; a resumed run begins from it in a new sweep.
TEST_P(KernelSweeps, GoOnFromWhatWasFetched) {
  const auto [gated, include_first] = GetParam();
  const Numbers all = some_numbers(kSwept, gated, 60);
  const StateShape shape = shape_for(kSwept, gated, Dedup::kWindow);
  const ScanDraw draw(5, 2, 1);
  const LayerState wanted = by_the_cpu(all, shape, draw, include_first, 64);
  for (const bool resumed : {false, true}) {
    LayerState state(shape);
    KernelSweep sweep(draw, include_first);
    for (const auto& [begin, end] : test::cut_portions(all, 50)) {
      sweep.take(portion_of(all, gated, begin, end), state);
      sweep.fetch(state);
      if (resumed) sweep.forget();
    }
    expect_same(state, wanted);
  }
}

TEST(KernelSweep, ReluHasOneEndWithoutZeros) {
  Numbers all = some_numbers(kSwept, false);
  all.key = at::relu(all.gate);
  all.key.select(1, 3).zero_();
  StateShape shape = shape_for(kSwept, false, Dedup::kWindow);
  shape.one_ended = true;
  const LayerState state = by_kernels(all, shape, ScanDraw(1, 0), false, 64);
  EXPECT_EQ(state.high.size(3), 0U);
  EXPECT_EQ(state.counts.active[3], 0);
  EXPECT_FALSE(std::signbit(state.counts.least[3]));
  expect_same(state, by_the_cpu(all, shape, ScanDraw(1, 0), false, 64));
}

// The earliest token, and of its cells the first.
TEST(KernelSweep, ACoefficientThatIsNoNumberIsFound) {
  for (const float bad : {std::nanf(""), INFINITY, -INFINITY}) {
    Numbers all = some_numbers(kSwept, false);
    all.key[11][66] = bad;
    all.key[11][68] = bad;
    all.key[40][2] = bad;
    LayerState state(shape_for(kSwept, false, Dedup::kWindow));
    KernelSweep sweep(ScanDraw(0, 0), true);
    for (const auto& [begin, end] : test::cut_portions(all, 30))
      sweep.take(portion_of(all, false, begin, end), state);
    const auto found = sweep.find_bad();
    ASSERT_TRUE(found);
    EXPECT_EQ(found->address, all.tokens[11].address);
    EXPECT_EQ(found->cell, 66);
  }
}

// What does not count may be anything.
TEST(KernelSweep, TokensThatDoNotCountAreNotLookedAt) {
  Numbers all = some_numbers(kSwept, false);
  const StateShape shape = shape_for(kSwept, false, Dedup::kWindow);
  const LayerState wanted = by_kernels(all, shape, ScanDraw(0, 0), false, 64);
  for (std::size_t i = 0; i < all.tokens.size(); ++i)
    if (all.tokens[i].position == 0) all.key[static_cast<std::int64_t>(i)].fill_(std::nanf(""));
  expect_same(by_kernels(all, shape, ScanDraw(0, 0), false, 64), wanted);
}

// Kernels that a GPU's compiler made are compared with those of the CPU before they are used.
TEST(KernelSweep, WhatDiffersIsNamed) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf})
    EXPECT_EQ(kernel_fault(at::kCPU, type), "");
  const Numbers all = some_numbers(kSwept, true);
  const LayerState one = by_kernels(all, shape_for(kSwept, true, Dedup::kWindow), ScanDraw(5, 2), false, 64);
  EXPECT_EQ(difference(one, one), "");
  const auto changed = [&](const auto& change) {
    LayerState other = one;
    change(other);
    return difference(one, other);
  };
  const auto offer = [](TriggerTable& table) {
    table.offer(3, {1e6F, 7}, std::vector<float>(table.extras()));
  };
  EXPECT_EQ(changed([&](LayerState& s) { offer(s.high); }), "the table of the high end");
  EXPECT_EQ(changed([&](LayerState& s) { offer(s.low); }), "the table of the low end");
  EXPECT_EQ(changed([&](LayerState& s) { offer(s.random); }), "the random examples");
  EXPECT_EQ(changed([&](LayerState& s) { offer(s.spread); }), "the examples of octaves");
  EXPECT_EQ(changed([](LayerState& s) { ++s.counts.histogram[5]; }), "the histogram");
  EXPECT_EQ(changed([](LayerState& s) { ++s.counts.up_only[5]; }), "the counts");
  EXPECT_EQ(changed([](LayerState& s) { s.counts.most[5] += 1; }), "the extremes");
  EXPECT_EQ(changed([](LayerState& s) { s.counts.sum[5].add(0.01); }), "the sums");
  EXPECT_EQ(changed([](LayerState& s) { s.counts.squares[5].add(0.01); }), "the sums of squares");
}

TEST(KernelSweep, OtherTablesAndTypesHaveNoKernels) {
  std::string why;
  EXPECT_FALSE(KernelSweep::can_take(shape_for(kSwept, false, Dedup::kNone), at::kFloat, at::kCPU, &why));
  EXPECT_NE(why.find("best token of a row"), std::string::npos) << why;
  EXPECT_FALSE(KernelSweep::can_take(shape_for(kSwept, false, Dedup::kWindow), at::kDouble, at::kCPU, &why));
  EXPECT_NE(why.find("Double"), std::string::npos) << why;
  EXPECT_FALSE(KernelSweep::can_take(shape_for(kSwept, false, Dedup::kWindow), at::kFloat, at::kMeta, &why));
  EXPECT_NE(why.find("no kernels for meta:0"), std::string::npos) << why;
}

}  // namespace
}  // namespace emend
