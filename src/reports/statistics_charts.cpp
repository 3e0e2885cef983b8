#include "reports/statistics_charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/strings.h"
#include "report/numbers.h"
#include "report/svg.h"

namespace emend {
namespace {

constexpr int kWidth = 520;

// A point without a band.
LineChart::Point point(double x, double y) {
  return {x, {y, NAN, NAN}};
}

// The y axis holds 0 if `from_zero`. Empty if no point has a value.
std::vector<TitledChart> one_line(const std::string& title, const Axis& x, const std::string& y_label,
                                  const LineChart::Series& series, bool from_zero) {
  std::vector<double> values;
  for (const LineChart::Point& p : series.points)
    if (std::isfinite(p.y.value)) values.push_back(p.y.value);
  if (values.empty()) return {};
  const auto [least, largest] = std::minmax_element(values.begin(), values.end());
  LineChart chart;
  chart.frame = {title, fmt::format("From {} to {}.", number_text(*least), number_text(*largest)), kWidth};
  chart.x = x;
  chart.y = axis_around(y_label, values);
  if (from_zero) chart.y.low = 0;
  chart.series = {series};
  return {{title, line_band_svg(chart)}};
}

LineChart::Series spectrum_series(int layer, const std::vector<double>& logs) {
  constexpr std::size_t kPoints = 40;
  LineChart::Series series{"layer " + std::to_string(layer), {}};
  for (std::size_t i = 0; i < kPoints; ++i) {
    const std::size_t at = i * (logs.size() - 1) / (kPoints - 1);
    series.points.push_back(
        {static_cast<double>(at) / static_cast<double>(logs.size()), {logs[at], logs[at], logs[at]}});
  }
  return series;
}

}  // namespace

std::vector<TitledChart> layer_charts(const std::vector<LayerSummary>& layers) {
  if (layers.size() < 2) return {};
  const auto [first, last] =
      std::minmax_element(layers.begin(), layers.end(),
                          [](const LayerSummary& a, const LayerSummary& b) { return a.layer < b.layer; });
  const Axis x{"layer", first->layer - 0.5, last->layer + 0.5};
  std::vector<TitledChart> charts;
  const auto add = [&](const std::string& title, const std::string& label, bool from_zero,
                       const std::function<double(const StatisticsQuality&)>& figure) {
    LineChart::Series series{label, {}};
    for (const LayerSummary& layer : layers)
      series.points.push_back(point(layer.layer, figure(layer.quality)));
    for (TitledChart& chart : one_line(title, x, label, series, from_zero))
      charts.push_back(std::move(chart));
  };
  add("Condition of C", "log10 of the condition", false, [](const StatisticsQuality& quality) {
    return quality.condition ? std::log10(*quality.condition) : NAN;
  });
  add("Effective rank of C", "effective rank", true,
      [](const StatisticsQuality& quality) { return quality.effective_rank.value_or(NAN); });
  add("Estimated error of C^-1 k", "error estimate", true,
      [](const StatisticsQuality& quality) { return quality.error_estimate.value_or(NAN); });
  return charts;
}

std::vector<TitledChart> error_charts(const std::vector<CurvePoint>& curve) {
  if (curve.size() < 2) return {};
  LineChart::Series series{"worst layer", {}};
  double most = 0;
  for (const CurvePoint& p : curve) {
    series.points.push_back(point(static_cast<double>(p.tokens), p.error_estimate));
    most = std::max(most, static_cast<double>(p.tokens));
  }
  return one_line("Estimated error of C^-1 k as the keys came in", {"keys", 0, std::max(most, 1.0)},
                  "error estimate", series, true);
}

TitledChart spectra_chart(const std::map<int, std::vector<double>>& log_spectra) {
  LineChart chart;
  chart.frame = {"Spectrum of the second moments of the keys",
                 "Eigenvalues of C over their mean, largest first.", 720};
  chart.x = {"share of the dimensions", 0, 1, true};
  std::vector<double> all;
  for (const auto& [layer, logs] : log_spectra) {
    if (logs.empty()) continue;
    chart.series.push_back(spectrum_series(layer, logs));
    for (const auto& p : chart.series.back().points) all.push_back(p.y.value);
  }
  chart.y = axis_around("log10 of eigenvalue over mean", all);
  return {chart.frame.title, line_band_svg(chart)};
}

std::vector<TitledChart> spectra_charts(const std::map<int, std::vector<double>>& log_spectra) {
  constexpr std::size_t kMostSeries = 5;
  std::vector<TitledChart> charts;
  std::map<int, std::vector<double>> some;
  std::vector<std::string> numbers;
  for (const auto& [layer, logs] : log_spectra) {
    some[layer] = logs;
    numbers.push_back(std::to_string(layer));
    if (some.size() < kMostSeries && layer != log_spectra.rbegin()->first) continue;
    charts.push_back(spectra_chart(some));
    charts.back().title = (some.size() == 1 ? "Layer " : "Layers ") + join(numbers);
    numbers.clear();
    some.clear();
  }
  return charts;
}

}  // namespace emend
