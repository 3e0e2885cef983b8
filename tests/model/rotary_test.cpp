// Rotary frequencies and turns against numbers worked out by hand.
#include "model/rotary.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/model_files.h"
#include "support/tiny_models.h"

namespace emend {
namespace {

TEST(RotaryScaling, YarnKeepsFastPairsAndSlowsSlowOnes) {
  // 8 dimensions, base 100, 64 original positions: pair i turns once in 2 pi 100^(i/4) positions, so the
  // dimension that turns t times is 8 ln(64 / (2 pi t)) / (2 ln 100): -1.0 for 32, 2.016 for 1.
  std::vector<double> frequencies = rotary_frequencies(8, 100);
  YarnScaling scaling;
  scaling.factor = 4;
  scaling.original_max_positions = 64;
  scale_yarn(frequencies, 100, scaling);
  // floor and ceil, then not below 0: from 0 to 3.
  for (int i = 0; i < 4; ++i) {
    const double plain = std::pow(100.0, -i / 4.0), slowed = i / 3.0;
    EXPECT_NEAR(frequencies[static_cast<std::size_t>(i)], plain * (1 - slowed) + plain / 4 * slowed, 1e-6)
        << i;
  }
}

TEST(RotaryScaling, YarnsAmplitudeGrowsWithTheLogarithm) {
  EXPECT_EQ(yarn_amplitude(1), 1);
  EXPECT_EQ(yarn_amplitude(0.5), 1);
  EXPECT_NEAR(yarn_amplitude(4), 1.1386294, 1e-6);
  EXPECT_NEAR(yarn_amplitude(std::exp(1.0), 0.5), 1.05, 1e-12);
}

TEST(RotaryScaling, Llama3KeepsShortWavesAndSlowsLongOnes) {
  std::vector<double> frequencies = {1.0, 0.001};  // wavelengths 6.3 and 6283
  Llama3Scaling scaling;
  scaling.factor = 8;
  scaling.original_max_positions = 1024;  // short below 256, long above 1024
  scale_llama3(frequencies, scaling);
  EXPECT_EQ(frequencies[0], 1.0);
  EXPECT_EQ(frequencies[1], 0.001 / 8);
}

at::Tensor ramp(std::int64_t size) {
  return at::arange(1, size + 1, at::kFloat).view({1, 1, size});
}

TEST(Rotation, HalfSplitTurnsAPartAndLeavesTheRest) {
  RotaryTable table;
  table.frequencies = {0.5, 0.25};
  const Rotation rotation = make_rotation(table, 6, at::full({1}, 2, at::kLong), {}, at::kFloat);
  const at::Tensor y = rotate(ramp(6), rotation).flatten();
  const double c0 = std::cos(1.0), s0 = std::sin(1.0), c1 = std::cos(0.5), s1 = std::sin(0.5);
  const std::vector<double> wanted = {
      1 * c0 - 3 * s0, 2 * c1 - 4 * s1, 3 * c0 + 1 * s0, 4 * c1 + 2 * s1, 5, 6};
  for (std::size_t i = 0; i < wanted.size(); ++i)
    EXPECT_NEAR(y[static_cast<std::int64_t>(i)].item<double>(), wanted[i], 1e-6) << i;
}

TEST(Rotation, InterleavedTurnsNeighbours) {
  RotaryTable table;
  table.pairs = RotaryPairs::kInterleaved;
  table.frequencies = {0.5};
  const Rotation rotation = make_rotation(table, 4, at::full({1}, 2, at::kLong), {}, at::kFloat);
  const at::Tensor y = rotate(ramp(4), rotation).flatten();
  const double c = std::cos(1.0), s = std::sin(1.0);
  const std::vector<double> wanted = {1 * c - 2 * s, 2 * c + 1 * s, 3, 4};
  for (std::size_t i = 0; i < wanted.size(); ++i)
    EXPECT_NEAR(y[static_cast<std::int64_t>(i)].item<double>(), wanted[i], 1e-6) << i;
}

TEST(Rotation, AmplitudeScalesWhatTurns) {
  RotaryTable table;
  table.frequencies = {0.5};
  table.amplitude = 1.5;
  const Rotation rotation = make_rotation(table, 4, at::zeros({1}, at::kLong), {}, at::kFloat);
  EXPECT_TRUE(
      test::near(rotate(at::ones({1, 1, 4}), rotation).flatten(), at::tensor({1.5, 1.5, 1.0, 1.0}), 1e-6));
}

TEST(Rotation, LongRowsHaveFrequenciesOfTheirOwn) {
  RotaryTable table;
  table.frequencies = {0.5};
  table.long_frequencies = {0.1};
  table.long_from = 4;
  const at::Tensor positions = at::full({2}, 3, at::kLong), lengths = at::tensor({4, 5}, at::kLong);
  const Rotation rotation = make_rotation(table, 2, positions, lengths, at::kFloat);
  EXPECT_NEAR(rotation.cos[0][0][0].item<double>(), std::cos(1.5), 1e-6);
  EXPECT_NEAR(rotation.cos[1][0][0].item<double>(), std::cos(0.3), 1e-6);
}

TEST(Rotation, DynamicBaseGrowsWithTheRow) {
  RotaryTable table;
  table.frequencies = rotary_frequencies(4, 100);
  table.base = 100;
  table.dynamic_factor = 2;
  table.long_from = 8;
  const at::Tensor positions = at::full({2}, 3, at::kLong), lengths = at::tensor({8, 12}, at::kLong);
  const Rotation rotation = make_rotation(table, 4, positions, lengths, at::kFloat);
  EXPECT_NEAR(rotation.cos[0][0][1].item<double>(), std::cos(3 / 10.0), 1e-6);
  // base 100 (2 * 12 / 8 - 1)^(4 / 2) = 400, of which pair 1 has the root
  EXPECT_NEAR(rotation.cos[1][0][1].item<double>(), std::cos(3 / 20.0), 1e-6);
}

}  // namespace
}  // namespace emend
