// What two sweeps of the same coefficients must agree on.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "memories/some_numbers.h"

namespace emend::test {

inline void expect_same_table(const TriggerTable& a, const TriggerTable& b, const std::string& name) {
  EXPECT_EQ(a.scores(), b.scores()) << name;
  EXPECT_EQ(a.addresses(), b.addresses()) << name;
  EXPECT_EQ(a.all_extras(), b.all_extras()) << name;
  EXPECT_EQ(a.groups(), b.groups()) << name;
}

// All but the sums byte for byte; sums as near as float32 adds them.
inline void expect_same(const LayerState& a, const LayerState& b) {
  expect_same_table(a.high, b.high, "high");
  expect_same_table(a.low, b.low, "low");
  expect_same_table(a.random, b.random, "random");
  expect_same_table(a.spread, b.spread, "spread");
  EXPECT_EQ(a.counts.tokens, b.counts.tokens);
  EXPECT_EQ(a.counts.histogram, b.counts.histogram);
  EXPECT_EQ(a.counts.active, b.counts.active);
  EXPECT_EQ(a.counts.both, b.counts.both);
  EXPECT_EQ(a.counts.gate_only, b.counts.gate_only);
  EXPECT_EQ(a.counts.up_only, b.counts.up_only);
  EXPECT_EQ(a.counts.least, b.counts.least);
  EXPECT_EQ(a.counts.most, b.counts.most);
  for (std::int64_t cell = 0; cell < a.counts.cells(); ++cell) {
    EXPECT_NEAR(a.counts.mean(cell), b.counts.mean(cell), 1e-6);
    EXPECT_NEAR(a.counts.variance(cell), b.counts.variance(cell), 1e-5 * (1 + a.counts.variance(cell)));
  }
}

inline LayerState by_the_cpu(const Numbers& all, const StateShape& shape, const ScanDraw& draw,
                             bool include_first, std::size_t size) {
  LayerState state(shape);
  for (const auto& [begin, end] : cut_portions(all, size))
    EXPECT_EQ(sweep_portion(portion_of(all, shape.gated, begin, end), draw, include_first, state), -1);
  return state;
}

}  // namespace emend::test
