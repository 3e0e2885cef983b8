#include "report/heat_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/display_text.h"
#include "report/html.h"
#include "report/numbers.h"

namespace emend {
namespace {

constexpr int kLevels = 20;
constexpr double kCellHeight = 18, kTop = 6, kBottom = 62, kLetter = 7.2;

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

std::string words(const std::string& text, double x, double y, const char* anchor, const char* style = "") {
  return fmt::format(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="{}" class="{}">{}</text>)"
                     "\n",
                     x, y, anchor, style, escape_html(text));
}

bool is_faint(const HeatMap::Row& row, std::size_t column) {
  return column < row.faint.size() && row.faint[column];
}

std::string cells(const HeatMap& map, const HeatMap::Row& row, double left, double top, double width) {
  std::string drawn;
  for (std::size_t begin = 0; begin < row.values.size();) {
    const int level = level_of(row.values[begin], map);
    const bool faint = is_faint(row, begin);
    std::size_t end = begin + 1;
    while (end < row.values.size() && level_of(row.values[end], map) == level && is_faint(row, end) == faint)
      ++end;
    const double height = kCellHeight - 2;
    if (level > 0)
      drawn += rect(left + width * static_cast<double>(begin), top + 1 + (faint ? height / 4 : 0),
                    width * static_cast<double>(end - begin), faint ? height / 2 : height, level);
    begin = end;
  }
  return drawn;
}

std::string scale(const HeatMap& map, double left, double top) {
  constexpr double kWidth = 100;
  std::string drawn = words(number_text(map.low, 2), left - 6, top + 11, "end", "quiet");
  for (int i = 1; i <= 10; ++i)
    drawn += rect(left + kWidth / 10 * (i - 1), top, kWidth / 10, 12, i * kLevels / 10);
  return drawn + words(number_text(map.high, 2) + "  " + map.scale_label, left + kWidth + 6, top + 11,
                       "start", "quiet");
}

double label_width(const HeatMap& map) {
  double width = 0;
  for (const HeatMap::Row& row : map.rows)
    if (!row.values.empty())
      width = std::max(width, kLetter * static_cast<double>(display_width(one_line(row.label))));
  return std::min(width + 22, 0.45 * map.frame.width);
}

}  // namespace

std::string heat_map_svg(const HeatMap& map) {
  std::size_t columns = 0, shown = 0;
  for (const HeatMap::Row& row : map.rows) {
    columns = std::max(columns, row.values.size());
    shown += row.values.empty() ? 0 : 1;
  }
  const double left = label_width(map), right = map.frame.width - 8.0;
  const double bottom = kTop + kCellHeight * static_cast<double>(shown);
  const double width = columns > 0 ? (right - left) / static_cast<double>(columns) : 0;
  std::string text = svg_begin(fmt::format("chart s{}", map.series), map.frame, bottom + kBottom);
  for (std::size_t column = 0; column < columns; column += 5) {
    const double x = left + width * (static_cast<double>(column) + 0.5);
    text += fmt::format(R"(<path class="grid" d="M{:.1f} {:.1f}V{:.1f}"/>)"
                        "\n",
                        x, kTop, bottom);
    text += words(fmt::format("{}", column), x, bottom + 15, "middle", "quiet");
  }
  double top = kTop;
  for (const HeatMap::Row& row : map.rows) {
    if (row.values.empty()) continue;
    const auto letters = static_cast<std::size_t>(std::max(1.0, (left - 16) / kLetter));
    text += words(cut_to_width(one_line(row.label), letters), left - 10, top + 13, "end",
                  row.marked ? "marked" : "");
    if (row.marked)
      text += fmt::format(R"(<path class="mark" d="M{:.1f} {:.1f}V{:.1f}"/>)"
                          "\n",
                          left - 5, top + 1, top + kCellHeight - 1);
    text += cells(map, row, left, top, width);
    top += kCellHeight;
  }
  text += fmt::format(R"(<rect class="frame" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>)"
                      "\n",
                      left, kTop, right - left, bottom - kTop);
  text += words(map.x_label, (left + right) / 2, bottom + 33, "middle");
  return text + scale(map, left + 40, bottom + 44) + "</svg>\n";
}

std::string standalone_svg(const std::string& chart) {
  const std::size_t after = chart.find(">\n") + 2;
  return chart.substr(0, after) + "<style>" + page_style() + "\nsvg { background: var(--paper); }</style>\n" +
         chart.substr(after);
}

}  // namespace emend
