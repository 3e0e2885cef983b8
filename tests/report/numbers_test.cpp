#include "report/numbers.h"

#include <gtest/gtest.h>

#include <limits>

namespace emend {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(ProbabilityText, ShowsThreeDecimalsOrThePowerOfTen) {
  EXPECT_EQ(probability_text(0.97345), "0.973");
  EXPECT_EQ(probability_text(0.02), "0.020");
  EXPECT_EQ(probability_text(0.00003), "3e-05");
  EXPECT_EQ(probability_text(0), "0");
  EXPECT_EQ(probability_text(1), "1");
  EXPECT_EQ(probability_text(kNan), "-");
}

TEST(NumberText, KeepsSignificantDigits) {
  EXPECT_EQ(number_text(1.2345), "1.23");
  EXPECT_EQ(number_text(12345.6), "12346");
  EXPECT_EQ(number_text(0.00012345), "0.000123");
  EXPECT_EQ(number_text(-0.5, 2), "-0.50");
  EXPECT_EQ(number_text(9.996), "10.0");
  EXPECT_EQ(number_text(0), "0");
}

TEST(NumberText, TurnsToPowersOfTenAtTheEnds) {
  EXPECT_EQ(number_text(1.234e-7), "1.23e-07");
  EXPECT_EQ(number_text(1.234e12), "1.23e+12");
  EXPECT_EQ(number_text(1e300), "1.00e+300");
}

TEST(NumberText, ReadsNothingAsADash) {
  EXPECT_EQ(number_text(std::nullopt), "-");
  EXPECT_EQ(number_text(std::numeric_limits<double>::infinity()), "-");
  EXPECT_EQ(number_text(std::optional<double>(2)), "2.00");
}

TEST(NumbersApart, HaveAsManyDigitsAsTellThemApart) {
  using Texts = std::vector<std::string>;
  EXPECT_EQ(numbers_apart({1.05, 1.023}), (Texts{"1.050", "1.023"}));
  EXPECT_EQ(numbers_apart({1.05, 1.0496}), (Texts{"1.0500", "1.0496"}));
  EXPECT_EQ(numbers_apart({1, 1.00004}), (Texts{"1.00000", "1.00004"}));
  EXPECT_EQ(numbers_apart({1, 1.00004}, 7), (Texts{"1.000000", "1.000040"}));
  EXPECT_EQ(numbers_apart({2, 2}), (Texts{"2.000", "2.000"}));
  EXPECT_EQ(numbers_apart({0, 3.2e-9, kNan}), (Texts{"0", "3.200e-09", "-"}));
  EXPECT_EQ(numbers_apart({}), Texts());
}

TEST(CountText, GroupsByThousands) {
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(15360), "15,360");
  EXPECT_EQ(count_text(-123456789), "-123,456,789");
  EXPECT_EQ(count_text(-123), "-123");
}

TEST(PercentText, HasOneDecimal) {
  EXPECT_EQ(percent_text(0.975), "97.5 %");
  EXPECT_EQ(percent_text(kNan), "-");
}

TEST(Sparkline, DrawsTheMeanOfEachColumn) {
  EXPECT_EQ(sparkline({0, 1}, 8, 0, 1), "▁█");
  EXPECT_EQ(sparkline({0, 1, 1, 1}, 2, 0, 1), "▅█");
  EXPECT_EQ(sparkline({kNan, kNan, -5, 5}, 2, 0, 1), " ▁");
  EXPECT_EQ(sparkline({kNan, 9}, 1, 0, 1), "█");
  EXPECT_EQ(sparkline({}, 4, 0, 1), "");
  EXPECT_EQ(sparkline({2, 2}, 2, 2, 2), "▁▁") << "no range";
}

}  // namespace
}  // namespace emend
