#include "report/drawing.h"

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

// The numbers of the marks are beyond 2^53, where adding 1 to a double changes nothing.
TEST(AxisMarks, EndOnAnAxisOfOneRoundingStep) {
  EXPECT_LE(axis_marks({"", 0.3, std::nextafter(0.3, 1), false}, 4).size(), 20u);
}

TEST(AxisAround, HoldsAllFiniteValues) {
  const Axis axis = axis_around("x", {1, kNaN, 3});
  EXPECT_LT(axis.low, 1);
  EXPECT_GT(axis.high, 3);
  const Axis point = axis_around("x", {2, 2});
  EXPECT_LT(point.low, point.high);
  EXPECT_EQ(axis_around("x", {}).high, 1);
}

TEST(AxisAround, TakesValuesThatDifferByRoundingAsOne) {
  const Axis axis = axis_around("x", {0.3, std::nextafter(0.3, 1)});
  EXPECT_NEAR(axis.low, 0.27, 1e-9);
  EXPECT_NEAR(axis.high, 0.33, 1e-9);
}

TEST(AxisMarks, OfALogarithmicAxisArePowersOfTen) {
  EXPECT_THAT(axis_marks({"", 1, 10000, false, true}, 5), ElementsAre(1, 10, 100, 1000, 10000));
  EXPECT_THAT(axis_marks({"", 10, 60, false, true}, 4), ElementsAre(10, 20, 50));
  EXPECT_THAT(axis_marks({"", 0.9, 12, false, true}, 4), ElementsAre(1, 2, 5, 10));
  EXPECT_THAT(axis_marks({"", 0.8, 11000, false, true}, 3), ElementsAre(1, 10, 100, 1000, 10000));
  EXPECT_LE(axis_marks({"", 1e-9, 1e9, false, true}, 4).size(), 8u);
  EXPECT_THAT(axis_marks({"", 54, 66, false, true}, 3), ElementsAre(55, 60, 65));  // none of these is within
  EXPECT_THAT(axis_marks({"", 0, 10, false, true}, 4), ElementsAre());  // there is no power of ten at 0
}

TEST(LogAxisAround, HoldsAllPositiveValues) {
  const Axis axis = log_axis_around("x", {kNaN, 0.001, -5, 0, 1000});
  EXPECT_TRUE(axis.logarithmic);
  EXPECT_GT(axis.low, 0);
  EXPECT_LT(axis.low, 0.001);
  EXPECT_GT(axis.high, 1000);
  const Axis point = log_axis_around("x", {2});
  EXPECT_LT(point.low, 2);
  EXPECT_GT(point.high, 2);
  EXPECT_EQ(log_axis_around("x", {}).high, 10);
}

TEST(Scale, PutsEqualRatiosEquallyFarApart) {
  const Scale x = scale_of({"", 1, 10000, false, true}, 0, 400);
  EXPECT_NEAR(x(1), 0, 1e-9);
  EXPECT_NEAR(x(10), 100, 1e-9);
  EXPECT_NEAR(x(1000), 300, 1e-9);
  EXPECT_NEAR(x(0), 0, 1e-9);  // beyond the end
}

TEST(Drawing, EscapesTextAndSaysWhatItShows) {
  Drawing drawing({"a <title>", "with a <description>", 100}, 40);
  drawing.words("p(<x>)", 1, 2, "middle");
  drawing.path("grid", "");
  const std::string svg = drawing.finish();
  EXPECT_EQ(markup_fault(svg), "");
  EXPECT_THAT(svg, HasSubstr("<title>a &lt;title&gt;</title>\n<desc>with a &lt;description&gt;</desc>"));
  EXPECT_THAT(svg, HasSubstr("p(&lt;x&gt;)"));
  EXPECT_THAT(svg, Not(HasSubstr("<path")));
}

TEST(Scale, KeepsWhatIsOutsideAtTheEnds) {
  const Scale x{0, 2, 100, 200};
  EXPECT_EQ(x(0.5), 125);
  EXPECT_EQ(x(-1), 100);
  EXPECT_EQ(x(7), 200);
}

TEST(Legend, BreaksLinesAtTheWidthOfTheChart) {
  const std::vector<std::string> names = {"one", "another"};
  EXPECT_LT(draw_legend(nullptr, names, 0, 400), draw_legend(nullptr, names, 0, 100));
}

TEST(StandaloneSvg, CarriesItsStyle) {
  Drawing drawing({"a <title>", "", 100}, 40);
  const std::string svg = standalone_svg(drawing.finish());
  EXPECT_EQ(markup_fault(svg), "");
  EXPECT_EQ(svg.rfind("<svg", 0), 0u);
  EXPECT_THAT(svg, HasSubstr(">\n<style>"));
  EXPECT_THAT(svg, HasSubstr("prefers-color-scheme: dark"));
  EXPECT_THAT(svg, HasSubstr("svg { background: var(--paper); }"));
}

}  // namespace
}  // namespace emend
