// Charts as inline SVG for the pages of html.h, whose style sheet colours them. Every chart has a title and a
// description for readers who cannot see it; series differ in shape and dash as well as in colour.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace emend {

// What a chart says to a screen reader, and how wide it is in CSS pixels.
struct ChartFrame {
  std::string title;        // not drawn: the page sets its own caption
  std::string description;  // the figures in a sentence; may be empty
  int width = 640;
};

// A linear axis from low to high, low < high.
struct Axis {
  std::string label;
  double low = 0, high = 1;
  bool percent = false;  // numbers times 100 and with a percent sign
};

// The opening tag of a chart of the class `style` with its title and description; `height` in CSS pixels.
std::string svg_begin(const std::string& style, const ChartFrame& frame, double height);

// Numbers at which an axis is marked: 1, 2 or 5 times a power of ten apart, about `count` of them, all within
// the axis.
std::vector<double> axis_marks(const Axis& axis, int count);

// An axis that holds all of the values with a little room; finite ones only, 0..1 when there is none.
Axis axis_around(const std::string& label, const std::vector<double>& values);

// Where values fall: the share of them in each of `bins` parts of [low, high], all in all 1 (0 without
// values). Values at or beyond an end count in the end part; what is not finite does not count.
std::vector<double> histogram_shares(const std::vector<double>& values, double low, double high,
                                     std::size_t bins);

struct HistogramSeries {
  std::string name;
  std::vector<double> shares;  // one a bin, as histogram_shares
};

// Bars for `now`; `before`, when given, as a dashed outline behind them.
struct HistogramChart {
  ChartFrame frame;
  Axis x;
  HistogramSeries now;
  std::optional<HistogramSeries> before;
  int series = 1;  // colour of the bars, 1 to 5
};
std::string histogram_svg(const HistogramChart& chart);

// A value with its interval. Not finite: not drawn.
struct Dot {
  double value = 0, low = 0, high = 0;
};

// One row a label, one dot a series; series 0 is drawn hollow (the model as it was).
struct DotChart {
  struct Row {
    std::string label;
    std::vector<std::optional<Dot>> dots;  // by series
  };
  ChartFrame frame;
  Axis x;
  std::vector<std::string> series;
  std::vector<Row> rows;
};
std::string dot_interval_svg(const DotChart& chart);

// Lines with a band from low to high around them; series count from 1 here, too.
struct LineChart {
  struct Point {
    double x = 0;
    Dot y;
  };
  struct Series {
    std::string name;
    std::vector<Point> points;  // by rising x
  };
  ChartFrame frame;
  Axis x, y;
  std::vector<Series> series;
};
std::string line_band_svg(const LineChart& chart);

}  // namespace emend
