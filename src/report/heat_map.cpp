#include "report/heat_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/display_text.h"
#include "report/numbers.h"

namespace emend {
namespace {

constexpr int kLevels = 20;
constexpr double kCellHeight = 18, kTop = 6, kBottom = 62;

int level_of(double value, const HeatMap& map) {
  if (!std::isfinite(value) || !(map.high > map.low)) return 0;
  return static_cast<int>(
      std::lround(std::clamp((value - map.low) / (map.high - map.low), 0.0, 1.0) * kLevels));
}

std::string rect(double x, double y, double width, double height, int level) {
  constexpr const char* kRect =
      R"(<rect class="heat" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill-opacity="{:.2f}"/>)"
      "\n";
  return fmt::format(kRect, x, y, width, height, static_cast<double>(level) / kLevels);
}

bool is_faint(const HeatMap::Row& row, std::size_t column) {
  return column < row.faint.size() && row.faint[column];
}

void draw_cells(Drawing& drawing, const HeatMap& map, const HeatMap::Row& row, double left, double top,
                double width) {
  for (std::size_t begin = 0; begin < row.values.size();) {
    const int level = level_of(row.values[begin], map);
    const bool faint = is_faint(row, begin);
    std::size_t end = begin + 1;
    while (end < row.values.size() && level_of(row.values[end], map) == level && is_faint(row, end) == faint)
      ++end;
    const double height = kCellHeight - 2;
    if (level > 0)
      drawing.add(rect(left + width * static_cast<double>(begin), top + 1 + (faint ? height / 4 : 0),
                       width * static_cast<double>(end - begin), faint ? height / 2 : height, level));
    begin = end;
  }
}

void draw_scale(Drawing& drawing, const HeatMap& map, double left, double top) {
  constexpr double kWidth = 100;
  drawing.words(number_text(map.low, 2), left - 6, top + 11, "end", "quiet");
  for (int i = 1; i <= 10; ++i)
    drawing.add(rect(left + kWidth / 10 * (i - 1), top, kWidth / 10, 12, i * kLevels / 10));
  drawing.words(number_text(map.high, 2) + "  " + map.scale_label, left + kWidth + 6, top + 11, "start",
                "quiet");
}

// A line for every fifth column with its number.
void draw_columns(Drawing& drawing, std::size_t columns, const Plot& plot) {
  const double width = (plot.right - plot.left) / static_cast<double>(columns);
  for (std::size_t column = 0; column < columns; column += 5) {
    const double x = plot.left + width * (static_cast<double>(column) + 0.5);
    drawing.path("grid", fmt::format("M{:.1f} {:.1f}V{:.1f}", x, plot.top, plot.bottom));
    drawing.words(fmt::format("{}", column), x, plot.bottom + 15, "middle", "quiet");
  }
}

void draw_label(Drawing& drawing, const HeatMap::Row& row, double left, double top) {
  const auto letters = static_cast<std::size_t>(std::max(1.0, (left - 16) / kLetterWidth));
  drawing.words(cut_to_width(one_line(row.label), letters), left - 10, top + 13, "end",
                row.marked ? "marked" : "");
  if (row.marked)
    drawing.path("mark", fmt::format("M{:.1f} {:.1f}V{:.1f}", left - 5, top + 1, top + kCellHeight - 1));
}

double label_width(const HeatMap& map) {
  double width = 0;
  for (const HeatMap::Row& row : map.rows)
    if (!row.values.empty())
      width = std::max(width, kLetterWidth * static_cast<double>(display_width(one_line(row.label))));
  return std::min(width + 22, 0.45 * map.frame.width);
}

}  // namespace

std::string heat_map_svg(const HeatMap& map) {
  std::size_t columns = 0, shown = 0;
  for (const HeatMap::Row& row : map.rows) {
    columns = std::max(columns, row.values.size());
    shown += row.values.empty() ? 0 : 1;
  }
  const Plot plot{label_width(map), kTop, map.frame.width - 8.0,
                  kTop + kCellHeight * static_cast<double>(shown)};
  const double width = columns > 0 ? (plot.right - plot.left) / static_cast<double>(columns) : 0;
  Drawing drawing(map.frame, plot.bottom + kBottom, fmt::format("chart s{}", map.series));
  draw_columns(drawing, columns, plot);
  double top = kTop;
  for (const HeatMap::Row& row : map.rows) {
    if (row.values.empty()) continue;
    draw_label(drawing, row, plot.left, top);
    draw_cells(drawing, map, row, plot.left, top, width);
    top += kCellHeight;
  }
  drawing.bar("frame", plot.left, kTop, plot.right - plot.left, plot.bottom - kTop);
  drawing.words(map.x_label, (plot.left + plot.right) / 2, plot.bottom + 33, "middle");
  draw_scale(drawing, map, plot.left + 40, plot.bottom + 44);
  return drawing.finish();
}

}  // namespace emend
