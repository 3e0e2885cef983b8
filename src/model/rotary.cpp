#include "model/rotary.h"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

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
      at::tensor(config.rotary_frequencies, at::kDouble).to(at::kFloat).to(options.device());
  const at::Tensor angles = positions.to(at::kFloat).unsqueeze(1) * frequencies.unsqueeze(0);
  const auto dtype = at::typeMetaToScalarType(options.dtype());
  return {angles.cos().to(dtype).unsqueeze(1), angles.sin().to(dtype).unsqueeze(1)};
}

at::Tensor rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, PositionKind kind) {
  const std::int64_t half = x.size(2) / 2;
  if (kind == PositionKind::kRotaryHalfSplit) {
    const at::Tensor a = x.narrow(2, 0, half), b = x.narrow(2, half, half);
    return at::cat({a * cos - b * sin, b * cos + a * sin}, 2);
  }
  const at::Tensor pairs = x.unflatten(2, {half, 2});
  const at::Tensor a = pairs.select(3, 0), b = pairs.select(3, 1);
  return at::stack({a * cos - b * sin, b * cos + a * sin}, 3).flatten(2);
}

}  // namespace emend
