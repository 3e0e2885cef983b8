// What all charts are drawn with: the frame, axes, legends, markers and the text of an SVG. See svg.h and
// heat_map.h for the charts.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

namespace emend {

// What a chart says to a screen reader, and how wide it is in CSS pixels.
struct ChartFrame {
  std::string title;        // not drawn: the page sets its own caption
  std::string description;  // the figures in a sentence; may be empty
  int width = 640;
};

// An axis from low to high, low < high.
struct Axis {
  std::string label;
  double low = 0, high = 1;
  bool percent = false;      // numbers times 100 and with a percent sign
  bool logarithmic = false;  // equal ratios are equally far apart; low > 0
};

// Numbers at which an axis is marked, about `count` of them, all within the axis: 1, 2 or 5 times a power of
// ten apart; on a logarithmic axis powers of ten, or a power that many apart, and 1, 2 and 5 times them where
// there are few.
std::vector<double> axis_marks(const Axis& axis, int count);

// An axis that holds all of the values with a little room; finite ones only, 0..1 when there is none.
Axis axis_around(const std::string& label, const std::vector<double>& values);

// The same for a logarithmic axis, of the finite positive values; 1..10 when there is none.
Axis log_axis_around(const std::string& label, const std::vector<double>& values);

// A chart as a file of its own: with the style sheet of the pages inside and a background.
std::string standalone_svg(const std::string& chart);

inline constexpr double kLetterWidth = 7.2;  // of a letter at 12 px, on average and a little more
inline constexpr double kLegendHeight = 22;
inline constexpr double kAxisHeight = 40;  // numbers and label below a plot

double text_width(const std::string& text);

// The class of an element and of its colour, "dot s2"; series 0 is the model as it was, the others count from
// 1 and take five colours in turn.
std::string styled(std::string_view what, int series);

// Parts of a path.
std::string move_to(double x, double y);
std::string line_to(double x, double y);

// The SVG of a chart, one element after the other. `style` is the class of an element.
class Drawing {
 public:
  // `height` in CSS pixels; `style` of the whole.
  Drawing(const ChartFrame& frame, double height, const std::string& style = "chart");

  void line(const std::string& style, double x1, double y1, double x2, double y2,
            const std::string& dash = {});
  void path(const std::string& style, const std::string& d, const std::string& dash = {});
  void bar(const std::string& style, double x, double y, double width, double height);
  // `anchor`: start, middle or end.
  void words(const std::string& text, double x, double y, std::string_view anchor,
             std::string_view style = "");
  void add(const std::string& element) { text_ += element; }
  std::string finish() { return text_ + "</svg>\n"; }

 private:
  std::string text_;
};

// From values to pixels; values beyond an end are drawn at the end.
struct Scale {
  double low, high, from, to;
  bool logarithmic = false;
  double operator()(double value) const {
    const double inside = std::clamp(value, low, high);
    const double share =
        logarithmic ? std::log(inside / low) / std::log(high / low) : (inside - low) / (high - low);
    return from + share * (to - from);
  }
};

// The axis from pixel `from` to pixel `to`.
inline Scale scale_of(const Axis& axis, double from, double to) {
  return {axis.low, axis.high, from, to, axis.logarithmic};
}

struct Plot {
  double left, top, right, bottom;
};

void draw_x_axis(Drawing& drawing, const Axis& axis, const Scale& x, const Plot& plot);
void draw_y_axis(Drawing& drawing, const Axis& axis, const Scale& y, const Plot& plot);

// A shape of its own for each series: hollow circle, circle, square, diamond, triangle, cross.
void draw_marker(Drawing& drawing, int series, double x, double y);
// A dash of its own for the line of each series.
std::string line_dash(int series);

// The names of the series from number `first` on, in lines of the chart's width; returns the height that they
// take. Draws nothing if `drawing` is null.
double draw_legend(Drawing* drawing, const std::vector<std::string>& names, int first, int width);

}  // namespace emend
