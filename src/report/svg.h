// Charts as inline SVG for the pages of html.h, whose style sheet colours them. Every chart has a title and a
// description for readers who cannot see it; series differ in shape and dash as well as in colour.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "report/drawing.h"

namespace emend {

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

// One value a row, before and after, joined by a line: hollow before, filled after. A row whose value is not
// finite is left out of the drawing, its label stays.
struct ChangeChart {
  struct Row {
    std::string label;
    double before = 0, after = 0;
    bool holds = true;  // false: drawn in the colour and shape of series 2
  };
  ChartFrame frame;
  Axis x;
  std::vector<Row> rows;
};
std::string change_svg(const ChangeChart& chart);

// One bar a row, from 0 to its value, with the number at its end. Values are not negative; what is not finite
// has no bar.
struct BarChart {
  struct Row {
    std::string label;
    double value = 0;
  };
  ChartFrame frame;
  std::string x_label;
  std::vector<Row> rows;
};
std::string bar_svg(const BarChart& chart);

}  // namespace emend
