#include "eval/results/bootstrap.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "base/random.h"

namespace emend {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

PairedDifference compare(const std::vector<double>& a, const std::vector<double>& b, std::uint64_t seed = 0) {
  return paired_bootstrap({{{a}, {b}}}, {.seed = seed, .draws = 2000}).front();
}

std::vector<double> noise(std::uint64_t stream, std::size_t n, double mean) {
  std::vector<double> values;
  for (std::size_t i = 0; i < n; ++i) values.push_back(mean + Random(7, stream).normal(i));
  return values;
}

TEST(PairedBootstrap, OfIdenticalRunsIsNoDifference) {
  const PairedDifference result = compare({1, 0, 1, 0.5}, {1, 0, 1, 0.5});
  EXPECT_EQ(result.difference, 0);
  EXPECT_EQ(result.low, 0);
  EXPECT_EQ(result.high, 0);
  EXPECT_EQ(result.p, 1);
  EXPECT_EQ(result.n, 4);
}

TEST(PairedBootstrap, OfAConstantGapIsCertain) {
  const PairedDifference result = compare({1, 2, 3}, {1.5, 2.5, 3.5});
  EXPECT_DOUBLE_EQ(result.difference, 0.5);
  EXPECT_NEAR(result.low, 0.5, 1e-12);
  EXPECT_NEAR(result.high, 0.5, 1e-12);
  EXPECT_DOUBLE_EQ(result.p, 2.0 / 2001);
}

TEST(PairedBootstrap, IntervalIsNearTheNormalOne) {
  const std::vector<double> a = noise(1, 400, 0), b = noise(2, 400, 0.2);
  const PairedDifference result = compare(a, b);
  double squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i) squares += std::pow(b[i] - a[i] - result.difference, 2);
  const double half = 1.96 * std::sqrt(squares / 400) / 20;
  EXPECT_NEAR(result.high - result.difference, half, 0.1 * half);
  EXPECT_NEAR(result.difference - result.low, half, 0.1 * half);
}

TEST(PairedBootstrap, TurnsWithTheSides) {
  const std::vector<double> a = noise(1, 50, 0), b = noise(2, 50, 0.3);
  const PairedDifference forth = compare(a, b), back = compare(b, a);
  EXPECT_DOUBLE_EQ(forth.difference, -back.difference);
  EXPECT_NEAR(forth.low, -back.high, 1e-12);
  EXPECT_DOUBLE_EQ(forth.p, back.p);
}

TEST(PairedBootstrap, DependsOnTheSeedOnly) {
  const std::vector<double> a = noise(1, 50, 0), b = noise(2, 50, 0.1);
  EXPECT_EQ(compare(a, b, 3).low, compare(a, b, 3).low);
  EXPECT_NE(compare(a, b, 3).low, compare(a, b, 4).low);
  // Another figure beside it changes nothing.
  const auto both = paired_bootstrap({{{b}, {b}}, {{a}, {b}}}, {.seed = 3, .draws = 2000});
  EXPECT_EQ(both[1].low, compare(a, b, 3).low);
}

TEST(PairedBootstrap, LeavesOutPairsThatMissAValue) {
  const PairedDifference result = compare({1, kNaN, 3, 5}, {2, 9, kNaN, 6});
  EXPECT_EQ(result.n, 2);
  EXPECT_DOUBLE_EQ(result.a, 3);
  EXPECT_DOUBLE_EQ(result.difference, 1);
}

TEST(PairedBootstrap, OfNothingIsNothing) {
  for (const PairedDifference& result : {compare({}, {}), compare({kNaN}, {1})}) {
    EXPECT_EQ(result.n, 0);
    EXPECT_TRUE(std::isnan(result.difference));
    EXPECT_TRUE(std::isnan(result.p));
  }
}

TEST(PairedBootstrap, OfSeveralColumnsIsTheHarmonicMean) {
  const PairedDifference result = paired_bootstrap({{{{1, 1}, {0.5, 0.5}}, {{1, 1}, {1, 1}}}}).front();
  EXPECT_DOUBLE_EQ(result.a, 2.0 / 3);
  EXPECT_DOUBLE_EQ(result.b, 1);
}

TEST(PairedBootstrap, RefusesColumnsThatDoNotMatch) {
  EXPECT_THROW(compare({1}, {1, 2}), std::invalid_argument);
  EXPECT_THROW(paired_bootstrap({{{{1}}, {}}}), std::invalid_argument);
}

}  // namespace
}  // namespace emend
