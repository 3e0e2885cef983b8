#include "model/rotary.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "model/rows.h"

namespace emend {

std::vector<double> rotary_frequencies(std::int64_t dimensions, double base) {
  std::vector<double> frequencies;
  for (std::int64_t i = 0; i < dimensions / 2; ++i) {
    // float32 as the reference computes them
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(dimensions);
    frequencies.push_back(1.0f / std::pow(static_cast<float>(base), exponent));
  }
  return frequencies;
}

void scale_llama3(std::vector<double>& frequencies, const Llama3Scaling& s) {
  for (double& f : frequencies) {
    const double wavelength = 2 * std::numbers::pi / f;
    if (wavelength < s.original_max_positions / s.high_freq_factor) continue;
    if (wavelength > s.original_max_positions / s.low_freq_factor) {
      f /= s.factor;
    } else {
      const double t = (s.original_max_positions / wavelength - s.low_freq_factor) /
                       (s.high_freq_factor - s.low_freq_factor);
      f = (1 - t) * f / s.factor + t * f;
    }
  }
}

namespace {

// The dimension, of `dimensions`, whose pair turns `turns` times over `positions`.
double dimension_of_turns(double turns, double dimensions, double base, double positions) {
  return dimensions * std::log(positions / (turns * 2 * std::numbers::pi)) / (2 * std::log(base));
}

at::Tensor angles_at(const at::Tensor& positions, const std::vector<double>& frequencies,
                     const at::Device& device) {
  const at::Tensor f = to_device(at::tensor(frequencies, at::kDouble).to(at::kFloat), device);
  return positions.to(at::kFloat).unsqueeze(1) * f.unsqueeze(0);  // [N, pairs]
}

// Angles of tokens whose rows are long.
at::Tensor long_angles(const RotaryTable& table, const at::Tensor& positions, const at::Tensor& row_lengths,
                       const at::Device& device) {
  if (table.dynamic_factor == 0) return angles_at(positions, table.long_frequencies, device);
  const auto turned = static_cast<double>(2 * table.frequencies.size());
  const at::Tensor stretched =
      (row_lengths.to(at::kFloat) * table.dynamic_factor / static_cast<double>(table.long_from) -
       (table.dynamic_factor - 1))
          .clamp_min(1.0);
  const at::Tensor base = at::pow(stretched, turned / (turned - 2)) * table.base;  // [N]
  const at::Tensor exponent =
      at::arange(static_cast<std::int64_t>(table.frequencies.size()), base.options()) * (2 / turned);
  return positions.to(at::kFloat).unsqueeze(1) / at::pow(base.unsqueeze(1), exponent.unsqueeze(0));
}

}  // namespace

void scale_yarn(std::vector<double>& frequencies, double base, const YarnScaling& s) {
  const auto pairs = static_cast<double>(frequencies.size());
  const auto place = [&](double turns) {
    return dimension_of_turns(turns, 2 * pairs, base, s.original_max_positions);
  };
  double low = place(s.beta_fast), high = place(s.beta_slow);
  if (s.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, 2 * pairs - 1);
  if (low == high) high += 0.001;
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double slowed = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] = frequencies[i] / s.factor * slowed + frequencies[i] * (1 - slowed);
  }
}

double yarn_amplitude(double factor, double m) {
  return factor <= 1 ? 1.0 : 0.1 * m * std::log(factor) + 1.0;
}

Rotation make_rotation(const RotaryTable& table, std::int64_t head_dim, const at::Tensor& positions,
                       const at::Tensor& row_lengths, const at::TensorOptions& options) {
  at::Tensor angles = angles_at(positions, table.frequencies, options.device());
  if (row_lengths.defined() && table.long_from > 0)
    angles = at::where((row_lengths > table.long_from).unsqueeze(1),
                       long_angles(table, positions, row_lengths, options.device()), angles);
  const bool neighbours = table.pairs == RotaryPairs::kInterleaved;
  const auto spread = [&](const at::Tensor& first, const at::Tensor& second) {
    return neighbours ? at::stack({first, second}, 2).flatten(1) : at::cat({first, second}, 1);
  };
  const at::Tensor cosine = angles.cos(), sine = angles.sin();
  at::Tensor cos = spread(cosine, cosine), sin = spread(-sine, sine);
  if (table.amplitude != 1) {
    cos = cos * table.amplitude;
    sin = sin * table.amplitude;
  }
  const std::int64_t turned = cos.size(1), still = head_dim - turned;
  if (still > 0) {
    cos = at::constant_pad_nd(cos, {0, still}, 1.0);
    sin = at::constant_pad_nd(sin, {0, still}, 0.0);
  }
  const auto dtype = at::typeMetaToScalarType(options.dtype());
  return {table.pairs, turned, cos.to(dtype).unsqueeze(1), sin.to(dtype).unsqueeze(1)};
}

at::Tensor rotate(const at::Tensor& x, const Rotation& rotation) {
  const at::Tensor turned = x * rotation.cos;
  if (rotation.pairs == RotaryPairs::kInterleaved)
    return at::addcmul(turned, x.unflatten(2, {x.size(2) / 2, 2}).flip(3).flatten(2), rotation.sin);
  const std::int64_t half = rotation.turned / 2, still = x.size(2) - rotation.turned;
  if (still == 0) {
    const auto halves = x.split(half, 2);
    return at::addcmul(turned, at::cat({halves[1], halves[0]}, 2), rotation.sin);
  }
  const auto parts = x.split_with_sizes({half, half, still}, 2);
  return at::addcmul(turned, at::cat({parts[1], parts[0], parts[2]}, 2), rotation.sin);
}

}  // namespace emend
