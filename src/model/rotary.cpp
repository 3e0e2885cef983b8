#include "model/rotary.h"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

#include "model/rows.h"

namespace emend {

std::vector<double> rotary_frequencies(std::int64_t head_dim, double base) {
  std::vector<double> frequencies;
  for (std::int64_t i = 0; i < head_dim / 2; ++i) {
    // float32 as the reference computes them
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
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

std::pair<at::Tensor, at::Tensor> rotary_table(const ModelConfig& config, const at::Tensor& positions,
                                               const at::TensorOptions& options) {
  const at::Tensor frequencies =
      to_device(at::tensor(config.rotary_frequencies, at::kDouble).to(at::kFloat), options.device());
  const at::Tensor angles = positions.to(at::kFloat).unsqueeze(1) * frequencies.unsqueeze(0);  // [N, pairs]
  const bool neighbours = config.positions == PositionKind::kRotaryInterleaved;
  const auto spread = [&](const at::Tensor& first, const at::Tensor& second) {
    return neighbours ? at::stack({first, second}, 2).flatten(1) : at::cat({first, second}, 1);
  };
  at::Tensor cos = spread(angles.cos(), angles.cos()), sin = spread(-angles.sin(), angles.sin());
  const std::int64_t still = config.head_dim - cos.size(1);
  if (still > 0) {
    cos = at::constant_pad_nd(cos, {0, still}, 1.0);
    sin = at::constant_pad_nd(sin, {0, still}, 0.0);
  }
  const auto dtype = at::typeMetaToScalarType(options.dtype());
  return {cos.to(dtype).unsqueeze(1), sin.to(dtype).unsqueeze(1)};
}

at::Tensor rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, PositionKind kind) {
  const std::int64_t half = x.size(2) / 2;
  if (kind == PositionKind::kRotaryInterleaved)
    return at::addcmul(x * cos, x.unflatten(2, {half, 2}).flip(3).flatten(2), sin);
  const auto halves = x.split(half, 2);
  return at::addcmul(x * cos, at::cat({halves[1], halves[0]}, 2), sin);
}

}  // namespace emend
