#include "report/heat_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "../support/markup_check.h"

namespace emend {
namespace {

using testing::HasSubstr;
using testing::Not;

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

HeatMap small_map() {
  HeatMap map;
  map.frame = {"a <title>", "what it shows", 400};
  map.rows = {
      {"The", false, {0, 0, 0, 0}, {}}, {" 斑马&", true, {0.5, 0.5, 1, 2}, {}}, {"left out", false, {}, {}}};
  map.x_label = "layer";
  map.scale_label = "probability";
  return map;
}

// The scale below the map has ten cells of its own.
std::size_t cells_of(const std::string& svg) {
  return count(svg, "class=\"heat\"") - 10;
}

TEST(HeatMap, IsWellFormedAndEscapesLabels) {
  const std::string svg = heat_map_svg(small_map());
  EXPECT_EQ(markup_fault(svg), "");
  EXPECT_THAT(svg, HasSubstr("a &lt;title&gt;"));
  EXPECT_THAT(svg, HasSubstr("斑马&amp;"));
  EXPECT_THAT(svg, HasSubstr("what it shows"));
  EXPECT_THAT(svg, Not(HasSubstr("left out")));
}

TEST(HeatMap, JoinsEqualNeighboursAndLeavesEmptyCellsOut) {
  EXPECT_EQ(cells_of(heat_map_svg(small_map())), 2u);  // half and half; full and more than full
  HeatMap map = small_map();
  map.rows[1].values = {0.5, std::numeric_limits<double>::quiet_NaN(), 0.5, 0};
  EXPECT_EQ(cells_of(heat_map_svg(map)), 2u);
  map.rows[1].values = {0.5, 0.5, 0.5, 0.5};
  map.rows[1].faint = {false, true, true, false};
  EXPECT_EQ(cells_of(heat_map_svg(map)), 3u);
}

TEST(HeatMap, TakesAScaleOfNothing) {
  HeatMap map = small_map();
  map.high = map.low = 0.3;
  EXPECT_EQ(cells_of(heat_map_svg(map)), 0u);
  map.rows.clear();
  EXPECT_EQ(markup_fault(heat_map_svg(map)), "");
}

}  // namespace
}  // namespace emend
