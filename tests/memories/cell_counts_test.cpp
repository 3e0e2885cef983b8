#include "memories/cell_counts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "memories/scan_draw.h"

namespace emend {
namespace {

TEST(CoefficientBins, EveryNumberLiesBetweenTheEdgesOfItsBin) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> exponent(-14, 9);
  for (int i = 0; i < 20000; ++i) {
    const auto size = static_cast<float>(std::exp2(exponent(random)));
    for (const float value : {size, -size}) {
      const int bin = coefficient_bins::bin_of(value);
      ASSERT_GE(value, coefficient_bins::low_edge(bin));
      ASSERT_LE(value, coefficient_bins::high_edge(bin));
    }
  }
  EXPECT_EQ(coefficient_bins::bin_of(0.0F), 32);
  EXPECT_EQ(coefficient_bins::bin_of(1.0F), 32 + 20);
  EXPECT_EQ(coefficient_bins::bin_of(1.5F), 32 + 21);
  EXPECT_EQ(coefficient_bins::bin_of(-1.0F), 31 - 20);
}

TEST(CoefficientBins, FollowOneAnother) {
  for (int bin = 0; bin + 1 < coefficient_bins::kBins; ++bin) {
    EXPECT_EQ(coefficient_bins::high_edge(bin), coefficient_bins::low_edge(bin + 1));
    EXPECT_LT(coefficient_bins::low_edge(bin), coefficient_bins::high_edge(bin));
  }
  EXPECT_TRUE(std::isinf(coefficient_bins::low_edge(0)));
  EXPECT_TRUE(std::isinf(coefficient_bins::high_edge(63)));
}

TEST(ScanDraw, ASampleIsOf32768TokensOrMore) {
  constexpr std::int64_t kSample = 32'768;
  for (const std::int64_t tokens : {std::int64_t{0}, std::int64_t{1}, kSample, 2 * kSample - 1})
    EXPECT_EQ(ScanDraw::sample_bits(tokens), 0) << tokens;
  EXPECT_EQ(ScanDraw::sample_bits(2 * kSample), 1);
  EXPECT_EQ(ScanDraw::sample_bits(4 * kSample - 1), 1);
  EXPECT_EQ(ScanDraw::sample_bits(4 * kSample), 2);
  EXPECT_EQ(ScanDraw::sample_bits(256 * kSample), 8);
  EXPECT_EQ(ScanDraw::sample_bits(512 * kSample), 8) << "more bits would be bits of the scores";
  EXPECT_EQ(ScanDraw::sample_bits(std::int64_t{1} << 62), 8);
}

TEST(ExactSum, DoesNotDependOnTheOrder) {
  std::mt19937_64 random(2);
  std::normal_distribution<double> normal(0, 100);
  std::vector<double> values(3000);
  for (double& value : values) value = normal(random);
  ExactSum first;
  double plain = 0;
  for (const double value : values) {
    first.add(value);
    plain += value;
  }
  EXPECT_NEAR(first.value(), plain, 1e-8);
  for (int order = 0; order < 10; ++order) {
    std::shuffle(values.begin(), values.end(), random);
    ExactSum left, right;
    for (std::size_t i = 0; i < values.size(); ++i) (i < 1000 ? left : right).add(values[i]);
    left.add(right);
    EXPECT_EQ(left.whole, first.whole);
    EXPECT_EQ(left.fraction, first.fraction);
  }
}

TEST(CellCounts, QuantilesLieInTheBinOfTheTrueOnes) {
  std::mt19937_64 random(3);
  std::normal_distribution<float> normal(0.5F, 2);
  std::vector<float> values(10001);
  CellCounts counts(1);
  for (float& value : values) {
    value = normal(random);
    ++counts.histogram[static_cast<std::size_t>(coefficient_bins::bin_of(value))];
    counts.least[0] = std::min(counts.least[0], value);
    counts.most[0] = std::max(counts.most[0], value);
  }
  counts.tokens = static_cast<std::int64_t>(values.size());
  std::sort(values.begin(), values.end());
  double before = -1e9;
  for (const double q : kQuantiles) {
    const double found = counts.quantile(0, q);
    const double exact = values[static_cast<std::size_t>(q * 10000)];
    EXPECT_NEAR(coefficient_bins::bin_of(static_cast<float>(found)),
                coefficient_bins::bin_of(static_cast<float>(exact)), 1)
        << q;
    EXPECT_GE(found, before);
    before = found;
  }
  EXPECT_EQ(counts.quantile(0, 0), values.front());
  EXPECT_EQ(counts.quantile(0, 1), values.back());
}

TEST(CellCounts, WithoutTokensAllFiguresAreZero) {
  const CellCounts counts(2);
  EXPECT_EQ(counts.mean(1), 0);
  EXPECT_EQ(counts.variance(1), 0);
  EXPECT_EQ(counts.active_share(1), 0);
  EXPECT_EQ(counts.quantile(1, 0.5), 0);
}

}  // namespace
}  // namespace emend
