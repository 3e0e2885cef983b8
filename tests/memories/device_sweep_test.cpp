// The sweep by tensor operations finds what the sweep of the CPU finds, table by table.
#include "memories/device_sweep.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <tuple>

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

constexpr std::int64_t kCells = 70;

LayerState by_tensors(const Numbers& all, const StateShape& shape, const ScanDraw& draw, bool include_first,
                      std::size_t size) {
  LayerState state(shape);
  DeviceSweep sweep(draw, include_first);
  for (const auto& [begin, end] : test::cut_portions(all, size)) {
    const PortionScores portion = portion_of(all, shape.gated, begin, end);
    sweep.begin(portion, state);
    EXPECT_EQ(sweep.select(portion, state), -1);
  }
  sweep.flush(state);
  return state;
}

class DeviceSweeps : public ::testing::TestWithParam<std::tuple<Dedup, bool, bool>> {};
INSTANTIATE_TEST_SUITE_P(Ways, DeviceSweeps,
                         ::testing::Combine(::testing::Values(Dedup::kNone, Dedup::kWindow, Dedup::kSuffix),
                                            ::testing::Bool(), ::testing::Bool()));

TEST_P(DeviceSweeps, FindWhatTheSweepOfTheCpuFinds) {
  const auto [dedup, gated, include_first] = GetParam();
  const Numbers all = some_numbers(kCells, gated, 60);
  const StateShape shape = shape_for(kCells, gated, dedup);
  for (const int bits : {0, 2}) {
    const ScanDraw draw(5, 2, bits);
    const LayerState wanted = by_the_cpu(all, shape, draw, include_first, 64);
    for (const std::size_t size : {std::size_t{20}, std::size_t{1000}}) {
      SCOPED_TRACE(testing::Message() << "sample of 1 in " << (1 << bits) << ", portions of " << size);
      expect_same(by_tensors(all, shape, draw, include_first, size), wanted);
    }
  }
}

// Rows of one length are views of what the pass computed; those of many are copied first.
TEST_P(DeviceSweeps, RowsOfOneLengthAreTheSame) {
  const auto [dedup, gated, include_first] = GetParam();
  Numbers all = some_numbers(kCells, gated, 40);
  for (std::size_t i = 0; i < all.tokens.size(); ++i) {
    all.tokens[i].document = i / 8;
    all.tokens[i].window = 0;
    all.tokens[i].position = static_cast<std::int64_t>(i % 8);
  }
  const StateShape shape = shape_for(kCells, gated, dedup);
  const ScanDraw draw(5, 2, 1);
  const LayerState wanted = by_the_cpu(all, shape, draw, include_first, 64);
  for (const std::size_t size : {std::size_t{24}, std::size_t{1000}})
    expect_same(by_tensors(all, shape, draw, include_first, size), wanted);
}

// In the types of a GPU's pass: the same numbers, widened, on the CPU.
TEST_P(DeviceSweeps, NarrowTypesAreTakenAsTheyAre) {
  const auto [dedup, gated, include_first] = GetParam();
  for (const at::ScalarType type : {at::kBFloat16, at::kHalf}) {
    Numbers narrow = some_numbers(kCells, gated, 40);
    Numbers wide = narrow;
    for (at::Tensor Numbers::*scores : {&Numbers::key, &Numbers::gate, &Numbers::up}) {
      narrow.*scores = (narrow.*scores).to(type);
      wide.*scores = (narrow.*scores).to(at::kFloat);
    }
    const StateShape shape = shape_for(kCells, gated, dedup);
    const ScanDraw draw(1, 0);
    expect_same(by_tensors(narrow, shape, draw, include_first, 100),
                by_the_cpu(wide, shape, draw, include_first, 100));
  }
}

TEST(DeviceSweep, ReluHasOneEndWithoutZeros) {
  Numbers all = some_numbers(kCells, false);
  all.key = at::relu(all.gate);
  all.key.select(1, 3).zero_();
  for (const Dedup dedup : {Dedup::kNone, Dedup::kWindow}) {
    StateShape shape = shape_for(kCells, false, dedup);
    shape.one_ended = true;
    const LayerState state = by_tensors(all, shape, ScanDraw(1, 0), false, 64);
    EXPECT_EQ(state.high.size(3), 0U);
    EXPECT_EQ(state.counts.active[3], 0);
    expect_same(state, by_the_cpu(all, shape, ScanDraw(1, 0), false, 64));
  }
}

TEST(DeviceSweep, ACoefficientThatIsNoNumberIsFound) {
  for (const float bad : {std::nanf(""), INFINITY}) {
    Numbers all = some_numbers(kCells, false);
    all.key[11][66] = bad;
    LayerState state(shape_for(kCells, false, Dedup::kWindow));
    DeviceSweep sweep(ScanDraw(0, 0), true);
    const PortionScores portion = portion_of(all, false, 0, all.tokens.size());
    sweep.begin(portion, state);
    EXPECT_EQ(sweep.select(portion, state), 11);
  }
}

}  // namespace
}  // namespace emend
