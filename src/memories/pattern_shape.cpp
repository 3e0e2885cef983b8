#include "memories/pattern_shape.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace emend {
namespace {

struct TwoEnds {
  double low = 0, high = 0, error = std::numeric_limits<double>::infinity();
};

// The ends in [0, 1] with the least sum of squares of share - low (1 - rise) - high rise. That sum is convex:
// its least value in the square is that of the plain fit, or else lies on one of the four sides.
TwoEnds fit_ends(const std::vector<double>& rises, const std::vector<double>& shares) {
  double aa = 0, ab = 0, bb = 0, a = 0, b = 0;  // of 1 - rise and rise, and with the share
  for (std::size_t i = 0; i < rises.size(); ++i) {
    const double fall = 1 - rises[i];
    aa += fall * fall;
    ab += fall * rises[i];
    bb += rises[i] * rises[i];
    a += fall * shares[i];
    b += rises[i] * shares[i];
  }
  TwoEnds best;
  const auto offer = [&](double low, double high) {
    double error = 0;
    for (std::size_t i = 0; i < rises.size(); ++i)
      error += std::pow(shares[i] - low - (high - low) * rises[i], 2);
    if (error < best.error) best = {low, high, error};
  };
  const double determinant = aa * bb - ab * ab;
  const double low = (a * bb - b * ab) / determinant, high = (b * aa - a * ab) / determinant;
  if (low >= 0 && low <= 1 && high >= 0 && high <= 1) {
    offer(low, high);
    return best;
  }
  for (const double end : {0.0, 1.0}) {
    offer(end, std::clamp((b - end * ab) / bb, 0.0, 1.0));
    offer(std::clamp((a - end * ab) / aa, 0.0, 1.0), end);
  }
  return best;
}

}  // namespace

// For each middle and slope of a grid the two ends follow from a bounded linear fit; the rises of a grid
// point serve all series.
std::vector<PatternTransition> fit_transitions(const std::vector<double>& layers,
                                               const std::vector<std::vector<double>>& series) {
  constexpr std::size_t kLeastLayers = 4;
  constexpr double kTenToNinety = 4.394449154672439;  // 2 log 9
  if (layers.size() < kLeastLayers) return {};
  const auto n = static_cast<double>(layers.size());
  std::vector<double> best(series.size(), std::numeric_limits<double>::infinity());
  std::vector<PatternTransition> transitions(series.size());
  for (double middle = layers.front(); middle <= layers.back() + 1e-9; middle += kTransitionStep)
    for (double s = 0.1; s <= n; s *= 1.1) {
      double x = 0, xx = 0;
      std::vector<double> rises;
      for (const double layer : layers) {
        const double rise = 1 / (1 + std::exp(-(layer - middle) / s));
        rises.push_back(rise);
        x += rise;
        xx += rise * rise;
      }
      if (n * xx - x * x < 1e-9) continue;
      for (std::size_t i = 0; i < series.size(); ++i) {
        const TwoEnds ends = fit_ends(rises, series[i]);
        if (ends.error >= best[i] - 1e-15) continue;
        best[i] = ends.error;
        transitions[i] = {ends.low, ends.high, middle, kTenToNinety * s};
      }
    }
  return transitions;
}

std::optional<PatternTransition> fit_transition(const std::vector<double>& layers,
                                                const std::vector<double>& shares,
                                                const std::vector<std::vector<double>>& resampled) {
  std::vector<std::vector<double>> series = {shares};
  series.insert(series.end(), resampled.begin(), resampled.end());
  const std::vector<PatternTransition> fits = fit_transitions(layers, series);
  if (fits.empty()) return std::nullopt;
  PatternTransition transition = fits.front();
  if (resampled.empty()) return transition;
  const auto interval = [&](const auto& number) {
    std::vector<double> numbers;
    for (std::size_t i = 1; i < fits.size(); ++i) numbers.push_back(number(fits[i]));
    std::sort(numbers.begin(), numbers.end());
    const std::size_t tail = numbers.size() / 40;
    return std::array{numbers[tail], numbers[numbers.size() - 1 - tail]};
  };
  transition.change_interval = interval([](const PatternTransition& fit) { return fit.high - fit.low; });
  transition.middle_interval = interval([](const PatternTransition& fit) { return fit.middle; });
  transition.width_interval = interval([](const PatternTransition& fit) { return fit.width; });
  return transition;
}

std::string to_string(TransitionShape shape) {
  static const std::array<std::string, 3> names = {"none", "abrupt", "smooth"};
  return names[static_cast<std::size_t>(shape)];
}

TransitionShape shape_of(const PatternTransition& transition, const std::vector<LayerPatterns>& layers) {
  constexpr double kLeastChange = 0.005, kAbruptLayers = 2;
  std::vector<double> looked_at;
  for (const LayerPatterns& layer : layers)
    if (layer.cells > 0) looked_at.push_back(layer.layer);
  const bool flat = std::abs(transition.high - transition.low) < kLeastChange;
  const bool at_an_end = looked_at.empty() || transition.middle <= looked_at.front() + kTransitionStep / 2 ||
                         transition.middle >= looked_at.back() - kTransitionStep / 2;
  // False of NaN: without intervals they say nothing.
  const bool either_way = transition.change_interval[0] <= 0 && transition.change_interval[1] >= 0;
  if (flat || at_an_end || either_way) return TransitionShape::kNone;
  return transition.width < kAbruptLayers ? TransitionShape::kAbrupt : TransitionShape::kSmooth;
}

}  // namespace emend
