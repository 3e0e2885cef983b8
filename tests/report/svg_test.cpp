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

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

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

ChangeChart changes() {
  ChangeChart chart;
  chart.frame = {"Probability of the <target>", "", 400};
  chart.x = {"p(target)", 0, 1, false};
  chart.rows = {{"a <b>", 0, 1, true}};
  return chart;
}

// The legend has a marker of each series, too.
TEST(ChangeSvg, JoinsBeforeAndAfter) {
  const std::string svg = change_svg(changes());
  EXPECT_EQ(markup_fault(svg), "");
  EXPECT_THAT(svg, HasSubstr("a &lt;b&gt;"));
  EXPECT_EQ(count(svg, "dot s0 hollow"), 2u);
  EXPECT_EQ(count(svg, "\"dot s1\""), 2u);
  EXPECT_THAT(svg, HasSubstr(">after<"));
  EXPECT_THAT(svg, Not(HasSubstr("does not hold")));
  const std::size_t from = svg.rfind("<path class=\"stroke s1\" d=\"M");
  ASSERT_NE(from, std::string::npos);
  EXPECT_THAT(svg.substr(from, 80), HasSubstr("L376.0"));  // 1 is the right end: the width less 24
}

TEST(ChangeSvg, TellsApartWhatDoesNotHold) {
  ChangeChart chart = changes();
  chart.rows.push_back({"lost", 0.5, 0.25, false});
  chart.rows.push_back({"not measured", 0.5, kNaN, true});
  const std::string svg = change_svg(chart);
  EXPECT_EQ(markup_fault(svg), "");
  EXPECT_THAT(svg, HasSubstr("after: does not hold"));
  EXPECT_EQ(count(svg, "\"dot s2\""), 2u);
  EXPECT_EQ(count(svg, "dot s0 hollow"), 3u);
  EXPECT_THAT(svg, HasSubstr("not measured"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(BarSvg, DrawsLengthsInProportion) {
  BarChart chart;
  chart.frame = {"Norms", "", 464};
  chart.x_label = "relative norm";
  chart.rows = {{"ab", 0.5}, {"cd", 0.25}, {"ef", kNaN}, {"gh", 0}};
  const std::string svg = bar_svg(chart);
  EXPECT_EQ(markup_fault(svg), "");
  // Labels of two letters take 2 * 7.2 + 14 = 28.4, and the plot ends 64 before the right edge.
  EXPECT_THAT(svg, HasSubstr("width=\"371.6\""));
  EXPECT_THAT(svg, HasSubstr("width=\"185.8\""));
  EXPECT_EQ(count(svg, "<rect"), 3u);
  EXPECT_THAT(svg, HasSubstr(">0.250<"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  chart.rows.clear();
  EXPECT_EQ(markup_fault(bar_svg(chart)), "");
}

}  // namespace
}  // namespace emend
