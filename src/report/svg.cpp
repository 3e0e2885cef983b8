#include "report/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/display_text.h"
#include "report/numbers.h"

namespace emend {
namespace {

bool is_drawn(const Dot& dot) {
  return std::isfinite(dot.value);
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

// Of the labels of any chart with rows.
template <typename Chart>
double label_width(const Chart& chart) {
  double width = 0;
  for (const auto& row : chart.rows) width = std::max(width, text_width(row.label));
  return std::min(width + 14, 0.45 * chart.frame.width);
}

// Right-aligned at `right`, cut to what fits.
void draw_row_label(Drawing& drawing, const std::string& label, double right, double middle) {
  const auto letters = static_cast<std::size_t>(right / kLetterWidth);
  drawing.words(cut_to_width(label, letters), right, middle + 4, "end");
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
    draw_row_label(drawing, row.label, plot.left - 8, top + row_height / 2);
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
  const Scale x = scale_of(chart.x, plot.left, plot.right);
  const Scale y = scale_of(chart.y, plot.bottom, plot.top);
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

std::string change_svg(const ChangeChart& chart) {
  constexpr double kRowHeight = 20;
  std::vector<std::string> names = {"before", "after"};
  const bool some_fail = std::any_of(chart.rows.begin(), chart.rows.end(),
                                     [](const ChangeChart::Row& row) { return !row.holds; });
  if (some_fail) names = {"before", "after: holds", "after: does not hold"};
  const double legend = draw_legend(nullptr, names, 0, chart.frame.width);
  const Plot plot{label_width(chart), legend, chart.frame.width - 24.0,
                  legend + kRowHeight * static_cast<double>(chart.rows.size())};
  const Scale x{chart.x.low, chart.x.high, plot.left + 8, plot.right};
  Drawing drawing(chart.frame, plot.bottom + kAxisHeight);
  draw_legend(&drawing, names, 0, chart.frame.width);
  draw_x_axis(drawing, chart.x, x, plot);
  double middle = plot.top + kRowHeight / 2;
  for (const ChangeChart::Row& row : chart.rows) {
    draw_row_label(drawing, row.label, plot.left - 8, middle);
    if (std::isfinite(row.before) && std::isfinite(row.after)) {
      const int series = row.holds ? 1 : 2;
      drawing.line(styled("stroke", series), x(row.before), middle, x(row.after), middle);
      draw_marker(drawing, 0, x(row.before), middle);
      draw_marker(drawing, series, x(row.after), middle);
    }
    middle += kRowHeight;
  }
  return drawing.finish();
}

std::string bar_svg(const BarChart& chart) {
  constexpr double kRowHeight = 20, kNumber = 64;
  double high = 0;
  for (const BarChart::Row& row : chart.rows)
    if (std::isfinite(row.value)) high = std::max(high, row.value);
  const Axis axis{chart.x_label, 0, high > 0 ? high : 1};
  const Plot plot{label_width(chart), 4, chart.frame.width - kNumber,
                  4 + kRowHeight * static_cast<double>(chart.rows.size())};
  const Scale x{axis.low, axis.high, plot.left, plot.right};
  Drawing drawing(chart.frame, plot.bottom + kAxisHeight);
  draw_x_axis(drawing, axis, x, plot);
  double top = plot.top;
  for (const BarChart::Row& row : chart.rows) {
    draw_row_label(drawing, row.label, plot.left - 8, top + kRowHeight / 2);
    if (std::isfinite(row.value)) {
      drawing.bar(styled("bar", 1), plot.left, top + 4, x(row.value) - plot.left, kRowHeight - 8);
      drawing.words(number_text(row.value), x(row.value) + 6, top + kRowHeight / 2 + 4, "start", "quiet");
    }
    top += kRowHeight;
  }
  return drawing.finish();
}

}  // namespace emend
