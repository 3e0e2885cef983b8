#include "report/svg.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "../support/markup_check.h"

namespace emend {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(AxisMarks, AreRoundAndWithinTheAxis) {
  EXPECT_THAT(axis_marks({"", 0, 10, false}, 5), ElementsAre(0, 2, 4, 6, 8, 10));
  EXPECT_THAT(axis_marks({"", 0.5, 2.6, false}, 2), ElementsAre(1, 2));
  EXPECT_THAT(axis_marks({"", -1, 1, false}, 4), ElementsAre(-1, -0.5, 0, 0.5, 1));
  EXPECT_THAT(axis_marks({"", 1, 1, false}, 4), ElementsAre());
  EXPECT_LE(axis_marks({"", 0, 1e-7, false}, 5).size(), 11u);
}

TEST(AxisAround, HoldsAllFiniteValues) {
  const Axis axis = axis_around("x", {1, kNaN, 3});
  EXPECT_LT(axis.low, 1);
  EXPECT_GT(axis.high, 3);
  const Axis point = axis_around("x", {2, 2});
  EXPECT_LT(point.low, point.high);
  EXPECT_EQ(axis_around("x", {}).high, 1);
}

TEST(HistogramShares, CountEndsIn) {
  EXPECT_THAT(histogram_shares({0, 0.1, 0.5, 1, 7, kNaN, -1}, 0, 1, 2), ElementsAre(0.5, 0.5));
  EXPECT_THAT(histogram_shares({}, 0, 1, 2), ElementsAre(0, 0));
}

HistogramChart histogram() {
  HistogramChart chart;
  chart.frame = {"A <title> & more", "", 300};
  chart.x = {"p(<target>)", 0, 1, false};
  chart.now = {"after", {0.1, 0.9}};
  chart.before = HistogramSeries{"before", {0.6, 0.4}};
  return chart;
}

TEST(HistogramSvg, IsWellFormedAndEscaped) {
  const std::string svg = histogram_svg(histogram());
  EXPECT_EQ(markup_fault(svg), "");
  EXPECT_THAT(svg, HasSubstr("<title>A &lt;title&gt; &amp; more</title>"));
  EXPECT_THAT(svg, HasSubstr("p(&lt;target&gt;)"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(HistogramSvg, CutsATallOutlineAndSaysSo) {
  HistogramChart chart = histogram();
  EXPECT_THAT(histogram_svg(chart), Not(HasSubstr("up to")));
  chart.now.shares = {0.1, 0.1};
  chart.before->shares = {1, 0};
  EXPECT_THAT(histogram_svg(chart), HasSubstr("before: up to 100.0 %"));
  chart.before.reset();
  EXPECT_EQ(markup_fault(histogram_svg(chart)), "");
}

TEST(DotIntervalSvg, DrawsWhatIsThere) {
  DotChart chart;
  chart.frame = {"Means", "a: 1", 400};
  chart.series = {"unedited", "rome", "a <b>"};
  chart.rows = {
      {"efficacy", {Dot{0.2, 0.1, 0.3}, std::nullopt, Dot{kNaN, kNaN, kNaN}}},
      {"a label that is much too long for the place that there is", {std::nullopt, Dot{0.5, kNaN, kNaN}}}};
  const std::string svg = dot_interval_svg(chart);
  EXPECT_EQ(markup_fault(svg), "");
  EXPECT_THAT(svg, HasSubstr("dot s0 hollow"));
  EXPECT_THAT(svg, HasSubstr("a &lt;b&gt;"));
  EXPECT_THAT(svg, HasSubstr("…"));
  EXPECT_THAT(svg, HasSubstr("<desc>a: 1</desc>"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(LineBandSvg, LeavesOutPointsWithoutAValue) {
  LineChart chart;
  chart.frame = {"Retention", "", 300};
  chart.x = {"edits", 0, 100, false};
  chart.y = {"", 0, 1, true};
  chart.series = {{"rome", {{10, {0.9, 0.8, 1.0}}, {50, {kNaN, kNaN, kNaN}}, {100, {0.5, kNaN, kNaN}}}},
                  {"none", {}}};
  const std::string svg = line_band_svg(chart);
  EXPECT_EQ(markup_fault(svg), "");
  EXPECT_THAT(svg, HasSubstr("band s1"));
  EXPECT_THAT(svg, Not(HasSubstr("band s2")));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace emend
