#include "report/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "report/display_text.h"
#include "report/html.h"
#include "report/numbers.h"

namespace emend {
namespace {

constexpr int kColours = 6;
constexpr double kLetter = 7.2;  // width of a letter at 12 px, on average and a little more
constexpr double kLegendHeight = 22;
constexpr double kAxisHeight = 40;  // numbers and label below a plot

std::string mark_text(double value, const Axis& axis) {
  if (std::abs(value) < 1e-12 * (axis.high - axis.low)) value = 0;
  return axis.percent ? fmt::format("{:.6g} %", 100 * value) : fmt::format("{:.6g}", value);
}

std::string colour_class(int series) {
  return fmt::format("s{}", series <= 0 ? 0 : 1 + (series - 1) % (kColours - 1));
}

std::string styled(std::string_view what, int series) {
  return fmt::format("{} {}", what, colour_class(series));
}

// Parts of a path.
std::string move_to(double x, double y) {
  return fmt::format("M{:.1f} {:.1f}", x, y);
}
std::string line_to(double x, double y) {
  return fmt::format("L{:.1f} {:.1f}", x, y);
}

double text_width(const std::string& text) {
  return kLetter * static_cast<double>(display_width(text));
}

bool is_drawn(const Dot& dot) {
  return std::isfinite(dot.value);
}

// Elements one after the other.
class Drawing {
 public:
  Drawing(const ChartFrame& frame, double height) : text_(svg_begin("chart", frame, height)) {}

  void line(const std::string& style, double x1, double y1, double x2, double y2,
            const std::string& dash = {}) {
    path(style, move_to(x1, y1) + line_to(x2, y2), dash);
  }
  void path(const std::string& style, const std::string& d, const std::string& dash = {}) {
    if (d.empty()) return;
    text_ += fmt::format(R"(<path class="{}" d="{}")", style, d);
    if (!dash.empty()) text_ += fmt::format(R"( stroke-dasharray="{}")", dash);
    text_ += "/>\n";
  }
  void bar(const std::string& style, double x, double y, double width, double height) {
    text_ += fmt::format(R"(<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>)"
                         "\n",
                         style, x, y, width, height);
  }
  // anchor: start, middle or end
  void words(const std::string& text, double x, double y, std::string_view anchor,
             std::string_view style = "") {
    text_ += fmt::format(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="{}" class="{}">{}</text>)"
                         "\n",
                         x, y, anchor, style, escape_html(text));
  }
  std::string finish() { return text_ + "</svg>\n"; }

 private:
  std::string text_;
};

// A shape of its own for each series: hollow circle, circle, square, diamond, triangle, cross.
void draw_marker(Drawing& drawing, int series, double x, double y) {
  constexpr double r = 4.5;
  const std::string style = styled("dot", series) + (series == 0 ? " hollow" : "");
  const std::string circle = fmt::format(
      "M{0:.1f} {1:.1f}a{2:.1f} {2:.1f} 0 1 0 {3:.1f} {4:.1f}a{2:.1f} {2:.1f} 0 1 0 {5:.1f} {4:.1f}z", x - r,
      y, r, 2 * r, 0.0, -2 * r);
  std::string shape;
  switch (series <= 0 ? 0 : 1 + (series - 1) % (kColours - 1)) {
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
  return kDashes[static_cast<std::size_t>(series <= 0 ? 0 : 1 + (series - 1) % (kColours - 1))];
}

// From values to pixels.
struct Scale {
  double low, high, from, to;
  double operator()(double value) const {
    return from + (std::clamp(value, low, high) - low) / (high - low) * (to - from);
  }
};

struct Plot {
  double left, top, right, bottom;
};

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

double largest(const std::vector<double>& values) {
  return values.empty() ? 0 : *std::max_element(values.begin(), values.end());
}

// The outline of a histogram.
std::string steps(const std::vector<double>& shares, const Plot& plot, const Scale& y) {
  const double width = (plot.right - plot.left) / static_cast<double>(shares.size());
  std::string d = move_to(plot.left, plot.bottom);
  for (std::size_t bin = 0; bin < shares.size(); ++bin) {
    const double begin = plot.left + width * static_cast<double>(bin);
    d += line_to(begin, y(shares[bin])) + line_to(begin + width, y(shares[bin]));
  }
  return d + line_to(plot.right, plot.bottom);
}

void draw_bars(Drawing& drawing, const HistogramChart& chart, const Plot& plot, const Scale& y) {
  const std::vector<double>& shares = chart.now.shares;
  const double width = (plot.right - plot.left) / static_cast<double>(shares.size());
  for (std::size_t bin = 0; bin < shares.size(); ++bin)
    if (shares[bin] > 0)
      drawing.bar(styled("bar", chart.series), plot.left + width * static_cast<double>(bin) + 1,
                  y(shares[bin]), width - 2, plot.bottom - y(shares[bin]));
}

// The end of the axis of shares. Before an edit nearly all may lie in one bin: then the outline is cut, so
// that the bars can be seen.
double highest_share(const HistogramChart& chart) {
  constexpr double kCutAbove = 2.5;
  const double bars = std::max(0.01, largest(chart.now.shares));
  const double outline = chart.before ? largest(chart.before->shares) : 0;
  return std::min(1.0, outline > kCutAbove * bars ? 1.3 * bars : 1.05 * std::max(bars, outline));
}

void draw_outline(Drawing& drawing, const HistogramSeries& series, const Plot& plot, const Scale& y) {
  drawing.path("stroke s0", steps(series.shares, plot, y), "4 3");
  const auto top = std::max_element(series.shares.begin(), series.shares.end());
  if (top == series.shares.end() || *top <= y.high) return;
  const double width = (plot.right - plot.left) / static_cast<double>(series.shares.size());
  const double end = plot.left + width * static_cast<double>(top - series.shares.begin() + 1);
  const bool to_the_right = end < (plot.left + plot.right) / 2;
  drawing.words(fmt::format("{}: up to {}", series.name, percent_text(*top)),
                to_the_right ? end + 5 : end - width - 5, plot.top + 13, to_the_right ? "start" : "end");
}

void draw_histogram_legend(Drawing& drawing, const HistogramChart& chart, double left) {
  drawing.bar(styled("bar", chart.series), left, 5, 14, 10);
  drawing.words(chart.now.name, left + 20, 14, "start");
  if (!chart.before) return;
  const double next = left + 36 + text_width(chart.now.name);
  drawing.line("stroke s0", next, 10, next + 20, 10, "4 3");
  drawing.words(chart.before->name, next + 26, 14, "start");
}

// The names of the series in lines of the chart's width; gives the height they take.
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

double label_width(const DotChart& chart) {
  double width = 0;
  for (const DotChart::Row& row : chart.rows) width = std::max(width, text_width(row.label));
  return std::min(width + 14, 0.45 * chart.frame.width);
}

void draw_dots(Drawing& drawing, const DotChart::Row& row, const Scale& x, double top, double step) {
  for (std::size_t s = 0; s < row.dots.size(); ++s) {
    if (!row.dots[s] || !is_drawn(*row.dots[s])) continue;
    const Dot& dot = *row.dots[s];
    const double y = top + step * (static_cast<double>(s) + 0.5);
    if (std::isfinite(dot.low) && std::isfinite(dot.high))
      drawing.line(styled("stroke", static_cast<int>(s)), x(dot.low), y, x(dot.high), y);
    draw_marker(drawing, static_cast<int>(s), x(dot.value), y);
  }
}

std::string line_path(const LineChart::Series& series, const Scale& x, const Scale& y) {
  std::string d;
  for (const LineChart::Point& p : series.points)
    if (is_drawn(p.y)) d += d.empty() ? move_to(x(p.x), y(p.y.value)) : line_to(x(p.x), y(p.y.value));
  return d;
}

std::string band_path(const LineChart::Series& series, const Scale& x, const Scale& y) {
  std::string there, back;
  for (const LineChart::Point& p : series.points) {
    if (!is_drawn(p.y) || !std::isfinite(p.y.low) || !std::isfinite(p.y.high)) continue;
    there += there.empty() ? move_to(x(p.x), y(p.y.low)) : line_to(x(p.x), y(p.y.low));
    back.insert(0, line_to(x(p.x), y(p.y.high)));
  }
  return there.empty() ? there : there + back + "z";
}

}  // namespace

std::string svg_begin(const std::string& style, const ChartFrame& frame, double height) {
  std::string text = fmt::format(
      R"(<svg class="{0}" role="img" xmlns="http://www.w3.org/2000/svg" width="{1}" height="{2:.1f}" viewBox="0 0 {1} {2:.1f}">)"
      "\n<title>{3}</title>\n",
      style, frame.width, height, escape_html(frame.title));
  if (!frame.description.empty()) text += fmt::format("<desc>{}</desc>\n", escape_html(frame.description));
  return text;
}

std::vector<double> axis_marks(const Axis& axis, int count) {
  const double rough = (axis.high - axis.low) / std::max(count, 1);
  if (!(rough > 0) || !std::isfinite(rough)) return {};
  const double power = std::pow(10, std::floor(std::log10(rough)));
  const double factor = rough / power;  // 1 to 10
  const double step = power * (factor < 1.5 ? 1 : factor < 3.5 ? 2 : factor < 7.5 ? 5 : 10);
  std::vector<double> marks;
  for (double k = std::ceil(axis.low / step - 1e-9); k * step <= axis.high + 1e-9 * step; ++k)
    marks.push_back(k * step);
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
  const double room = high > low ? 0.08 * (high - low) : std::max(0.1 * std::abs(high), 0.01);
  return {label, low - room, high + room, false};
}

std::vector<double> histogram_shares(const std::vector<double>& values, double low, double high,
                                     std::size_t bins) {
  std::vector<double> shares(bins, 0);
  double n = 0;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    const double place = std::floor((value - low) / (high - low) * static_cast<double>(bins));
    ++shares[static_cast<std::size_t>(std::clamp(place, 0.0, static_cast<double>(bins - 1)))];
    ++n;
  }
  if (n > 0)
    for (double& share : shares) share /= n;
  return shares;
}

std::string histogram_svg(const HistogramChart& chart) {
  constexpr double kPlotHeight = 130;
  const Plot plot{52, kLegendHeight + 4, chart.frame.width - 12.0, kLegendHeight + 4 + kPlotHeight};
  const Axis shares{"", 0, highest_share(chart), true};
  const Scale x{chart.x.low, chart.x.high, plot.left, plot.right};
  const Scale y{0, shares.high, plot.bottom, plot.top};
  Drawing drawing(chart.frame, plot.bottom + kAxisHeight);
  draw_histogram_legend(drawing, chart, plot.left);
  draw_y_axis(drawing, shares, y, plot);
  draw_x_axis(drawing, chart.x, x, plot);
  draw_bars(drawing, chart, plot, y);
  if (chart.before) draw_outline(drawing, *chart.before, plot, y);
  return drawing.finish();
}

std::string dot_interval_svg(const DotChart& chart) {
  constexpr double kStep = 13, kGap = 9;
  const double legend = draw_legend(nullptr, chart.series, 0, chart.frame.width);
  const double row_height = kStep * static_cast<double>(chart.series.size()) + kGap;
  const Plot plot{label_width(chart), legend, chart.frame.width - 24.0,
                  legend + row_height * static_cast<double>(chart.rows.size())};
  const Scale x{chart.x.low, chart.x.high, plot.left + 8, plot.right};
  Drawing drawing(chart.frame, plot.bottom + kAxisHeight);
  draw_legend(&drawing, chart.series, 0, chart.frame.width);
  draw_x_axis(drawing, chart.x, x, plot);
  double top = plot.top;
  for (const DotChart::Row& row : chart.rows) {
    const auto letters = static_cast<std::size_t>((plot.left - 8) / kLetter);
    drawing.words(cut_to_width(row.label, letters), plot.left - 8, top + row_height / 2 + 4, "end");
    draw_dots(drawing, row, x, top + kGap / 2, kStep);
    top += row_height;
    if (&row != &chart.rows.back()) drawing.line("grid", 0, top, plot.right, top);
  }
  return drawing.finish();
}

std::string line_band_svg(const LineChart& chart) {
  constexpr double kPlotHeight = 170;
  std::vector<std::string> names;
  for (const LineChart::Series& series : chart.series) names.push_back(series.name);
  const double legend = draw_legend(nullptr, names, 1, chart.frame.width);
  const Plot plot{56, legend + 4, chart.frame.width - 24.0, legend + 4 + kPlotHeight};
  const Scale x{chart.x.low, chart.x.high, plot.left, plot.right};
  const Scale y{chart.y.low, chart.y.high, plot.bottom, plot.top};
  Drawing drawing(chart.frame, plot.bottom + kAxisHeight);
  draw_legend(&drawing, names, 1, chart.frame.width);
  draw_y_axis(drawing, chart.y, y, plot);
  draw_x_axis(drawing, chart.x, x, plot);
  for (std::size_t s = 0; s < chart.series.size(); ++s) {
    const int number = static_cast<int>(s) + 1;
    drawing.path(styled("band", number), band_path(chart.series[s], x, y));
    drawing.path(styled("stroke", number), line_path(chart.series[s], x, y), line_dash(number));
    for (const LineChart::Point& p : chart.series[s].points)
      if (is_drawn(p.y)) draw_marker(drawing, number, x(p.x), y(p.y.value));
  }
  return drawing.finish();
}

}  // namespace emend
