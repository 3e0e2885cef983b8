// Rotary position embedding (Su et al. 2021): pairs of head dimensions turned by position times frequency.
#pragma once

#include <ATen/core/Tensor.h>

#include <utility>
#include <vector>

#include "emend/model.h"

namespace emend {

// Frequencies base^(-2i/h) for i in [0, h/2).
std::vector<double> rotary_frequencies(std::int64_t head_dim, double base);

// Llama 3's scaling: long wavelengths slowed by `factor`, short ones kept, a smooth ramp between.
struct Llama3Scaling {
  double factor = 1, low_freq_factor = 1, high_freq_factor = 4, original_max_positions = 8192;
};
void scale_llama3(std::vector<double>& frequencies, const Llama3Scaling& scaling);

// The turn of every head dimension at the tokens' positions, each [N, 1, h], worked out in float32, in the
// model's dtype: the cosine of its pair's angle, and the sine with the sign that its partner takes.
// Dimensions that stand still have 1 and 0.
std::pair<at::Tensor, at::Tensor> rotary_table(const ModelConfig& config, const at::Tensor& positions,
                                               const at::TensorOptions& options);

// x [N, heads, h] with every pair (a, b) -> (a cos - b sin, b cos + a sin): x cos + partner(x) sin.
at::Tensor rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, PositionKind kind);

}  // namespace emend
