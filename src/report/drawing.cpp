#include "report/drawing.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "report/display_text.h"
#include "report/html.h"

namespace emend {
namespace {

constexpr int kColours = 6;

// From 0 to kColours - 1.
int colour_of(int series) {
  return series <= 0 ? 0 : 1 + (series - 1) % (kColours - 1);
}

std::string mark_text(double value, const Axis& axis) {
  if (!axis.logarithmic && std::abs(value) < 1e-12 * (axis.high - axis.low)) value = 0;
  return axis.percent ? fmt::format("{:.6g} %", 100 * value) : fmt::format("{:.6g}", value);
}

// Powers of ten, so many apart that there are not many more than twice `count`, and 2 and 5 times them where
// they alone are fewer than three.
std::vector<double> log_marks(const Axis& axis, int count) {
  const double decades = std::log10(axis.high / axis.low);
  if (!(decades > 0) || !std::isfinite(decades)) return {};
  const int apart = std::max(1, static_cast<int>(std::ceil(decades / (2 * std::max(count, 1)))));
  std::vector<double> marks;
  const auto add = [&](double mark) {
    if (mark >= axis.low * (1 - 1e-9) && mark <= axis.high * (1 + 1e-9)) marks.push_back(mark);
  };
  const int first = static_cast<int>(std::floor(std::log10(axis.low)));
  for (int power = first; power <= std::log10(axis.high) + 1e-9; ++power) {
    if (power % apart != 0) continue;
    const double ten = std::pow(10, power);
    for (const double factor : {1.0, 2.0, 5.0})
      if (factor == 1 || decades < 2) add(factor * ten);
  }
  return marks;
}

}  // namespace

Drawing::Drawing(const ChartFrame& frame, double height, const std::string& style)
    : text_(fmt::format(
          R"(<svg class="{0}" role="img" xmlns="http://www.w3.org/2000/svg" width="{1}" height="{2:.1f}" viewBox="0 0 {1} {2:.1f}">)"
          "\n<title>{3}</title>\n",
          style, frame.width, height, escape_html(frame.title))) {
  if (!frame.description.empty()) text_ += fmt::format("<desc>{}</desc>\n", escape_html(frame.description));
}

void Drawing::line(const std::string& style, double x1, double y1, double x2, double y2,
                   const std::string& dash) {
  path(style, move_to(x1, y1) + line_to(x2, y2), dash);
}

void Drawing::path(const std::string& style, const std::string& d, const std::string& dash) {
  if (d.empty()) return;
  text_ += fmt::format(R"(<path class="{}" d="{}")", style, d);
  if (!dash.empty()) text_ += fmt::format(R"( stroke-dasharray="{}")", dash);
  text_ += "/>\n";
}

void Drawing::bar(const std::string& style, double x, double y, double width, double height) {
  text_ += fmt::format(R"(<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>)"
                       "\n",
                       style, x, y, width, height);
}

void Drawing::words(const std::string& text, double x, double y, std::string_view anchor,
                    std::string_view style) {
  text_ += fmt::format(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="{}" class="{}">{}</text>)"
                       "\n",
                       x, y, anchor, style, escape_html(text));
}

std::string styled(std::string_view what, int series) {
  return fmt::format("{} s{}", what, colour_of(series));
}

std::string move_to(double x, double y) {
  return fmt::format("M{:.1f} {:.1f}", x, y);
}
std::string line_to(double x, double y) {
  return fmt::format("L{:.1f} {:.1f}", x, y);
}

double text_width(const std::string& text) {
  return kLetterWidth * static_cast<double>(display_width(text));
}

void draw_marker(Drawing& drawing, int series, double x, double y) {
  constexpr double r = 4.5;
  const std::string style = styled("dot", series) + (series == 0 ? " hollow" : "");
  const std::string circle = fmt::format(
      "M{0:.1f} {1:.1f}a{2:.1f} {2:.1f} 0 1 0 {3:.1f} {4:.1f}a{2:.1f} {2:.1f} 0 1 0 {5:.1f} {4:.1f}z", x - r,
      y, r, 2 * r, 0.0, -2 * r);
  std::string shape;
  switch (colour_of(series)) {
    case 2:
      shape = fmt::format("M{0:.1f} {1:.1f}h{2:.1f}v{2:.1f}h{3:.1f}z", x - r, y - r, 2 * r, -2 * r);
      break;
    case 3:
      shape = move_to(x, y - 6) + line_to(x + 6, y) + line_to(x, y + 6) + line_to(x - 6, y) + "z";
      break;
    case 4:
      shape = move_to(x, y - 6) + line_to(x + 6, y + 5) + line_to(x - 6, y + 5) + "z";
      break;
    case 5:
      shape = move_to(x - r, y - r) + line_to(x + r, y + r) + move_to(x - r, y + r) + line_to(x + r, y - r);
      break;
    default:
      shape = circle;
  }
  drawing.path(style, shape);
}

std::string line_dash(int series) {
  constexpr std::array<const char*, kColours> kDashes = {"2 3", "", "7 3", "2 2", "9 3 2 3", "5 5"};
  return kDashes[static_cast<std::size_t>(colour_of(series))];
}

void draw_x_axis(Drawing& drawing, const Axis& axis, const Scale& x, const Plot& plot) {
  const int count = static_cast<int>(std::clamp((plot.right - plot.left) / 80, 2.0, 10.0));
  for (const double mark : axis_marks(axis, count)) {
    drawing.line("grid", x(mark), plot.top, x(mark), plot.bottom);
    drawing.words(mark_text(mark, axis), x(mark), plot.bottom + 16, "middle", "quiet");
  }
  drawing.line("axis", plot.left, plot.bottom, plot.right, plot.bottom);
  drawing.words(axis.label, (plot.left + plot.right) / 2, plot.bottom + 34, "middle");
}

void draw_y_axis(Drawing& drawing, const Axis& axis, const Scale& y, const Plot& plot) {
  for (const double mark : axis_marks(axis, 4)) {
    drawing.line("grid", plot.left, y(mark), plot.right, y(mark));
    drawing.words(mark_text(mark, axis), plot.left - 6, y(mark) + 4, "end", "quiet");
  }
}

double draw_legend(Drawing* drawing, const std::vector<std::string>& names, int first, int width) {
  double x = 4, y = 12;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const double needed = 34 + text_width(names[i]);
    if (x > 4 && x + needed > width) {
      x = 4;
      y += kLegendHeight;
    }
    const int series = first + static_cast<int>(i);
    if (drawing != nullptr) {
      drawing->line(styled("stroke", series), x, y, x + 22, y, line_dash(series));
      draw_marker(*drawing, series, x + 11, y);
      drawing->words(names[i], x + 28, y + 4, "start");
    }
    x += needed + 12;
  }
  return y + kLegendHeight - 8;
}

std::vector<double> axis_marks(const Axis& axis, int count) {
  if (axis.logarithmic && !(axis.low > 0)) return {};
  if (axis.logarithmic)
    if (const std::vector<double> marks = log_marks(axis, count); marks.size() > 1) return marks;
  const double rough = (axis.high - axis.low) / std::max(count, 1);
  if (!(rough > 0) || !std::isfinite(rough)) return {};
  const double power = std::pow(10, std::floor(std::log10(rough)));
  const double factor = rough / power;  // 1 to 10
  const double step = power * (factor < 1.5 ? 1 : factor < 3.5 ? 2 : factor < 7.5 ? 5 : 10);
  std::vector<double> marks;
  // Counted from the first mark: from 2^53 on, a double plus 1 is the same double.
  const double first = std::ceil(axis.low / step - 1e-9);
  for (int i = 0; (first + i) * step <= axis.high + 1e-9 * step; ++i) marks.push_back((first + i) * step);
  return marks;
}

Axis axis_around(const std::string& label, const std::vector<double>& values) {
  double low = INFINITY, high = -INFINITY;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (low > high) return {label, 0, 1, false};
  // Values that differ by rounding alone are one value.
  const bool differ = high - low > 1e-12 * std::max(std::abs(low), std::abs(high));
  const double room = differ ? 0.08 * (high - low) : std::max(0.1 * std::abs(high), 0.01);
  return {label, low - room, high + room, false};
}

Axis log_axis_around(const std::string& label, const std::vector<double>& values) {
  double low = INFINITY, high = 0;
  for (const double value : values) {
    if (!std::isfinite(value) || value <= 0) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (low > high) return {label, 1, 10, false, true};
  const double room = std::max(std::pow(high / low, 0.08), 1.1);
  return {label, low / room, high * room, false, true};
}

std::string standalone_svg(const std::string& chart) {
  const std::size_t after = chart.find(">\n") + 2;
  return chart.substr(0, after) + "<style>" + page_style() + "\nsvg { background: var(--paper); }</style>\n" +
         chart.substr(after);
}

}  // namespace emend
