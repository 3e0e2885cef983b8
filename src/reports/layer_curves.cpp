#include "reports/layer_curves.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/strings.h"

namespace emend {
namespace {

constexpr int kCurveWidth = 520;

Dot dot_at(const ResultJson& layer, const JsonCurve& curve) {
  return {number_at(layer, curve.path), curve.low.empty() ? NAN : number_at(layer, curve.low),
          curve.high.empty() ? NAN : number_at(layer, curve.high)};
}

}  // namespace

double number_at(const ResultJson& json, const std::string& path) {
  const ResultJson* at = &json;
  for (const std::string& part : split_at(path, '.')) {
    if (at->is_object() && at->contains(part)) {
      at = &(*at)[part];
    } else if (at->is_array() && part.size() == 1 && std::size_t(part[0] - '0') < at->size()) {
      at = &(*at)[std::size_t(part[0] - '0')];
    } else {
      return std::numeric_limits<double>::quiet_NaN();
    }
  }
  return at->is_number() ? at->get<double>() : std::numeric_limits<double>::quiet_NaN();
}

TitledChart layer_chart(const ResultJson& layers, const std::string& title, const CurveAxis& axis,
                        const std::vector<JsonCurve>& curves) {
  LineChart chart;
  std::vector<double> heights;
  for (const JsonCurve& curve : curves) {
    LineChart::Series series{curve.name, {}};
    for (const ResultJson& layer : layers) {
      const Dot dot = dot_at(layer, curve);
      if (!std::isfinite(dot.value)) continue;
      series.points.push_back({number_at(layer, "layer"), dot});
      for (const double height : {dot.value, dot.low, dot.high}) heights.push_back(height);
    }
    if (!series.points.empty()) chart.series.push_back(std::move(series));
  }
  if (chart.series.empty() || layers.size() < 2) return {title, ""};
  chart.frame = {title, title + " by layer.", kCurveWidth};
  chart.x = {"layer", number_at(layers.front(), "layer") - 0.5, number_at(layers.back(), "layer") + 0.5};
  chart.y = axis_around(axis.label, heights);
  if (axis.from_zero) chart.y.low = 0;
  chart.y.percent = axis.percent;
  return {title, line_band_svg(chart)};
}

}  // namespace emend
