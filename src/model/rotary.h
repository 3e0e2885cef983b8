// Rotary position embedding (Su et al. 2021): pairs of head dimensions turned by position times frequency.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "emend/model.h"

namespace emend {

// Frequencies base^(-2i/n) for i in [0, n/2), of the n dimensions of a head that turn.
std::vector<double> rotary_frequencies(std::int64_t dimensions, double base);

// Llama 3's scaling: long wavelengths slowed by `factor`, short ones kept, a smooth ramp between.
struct Llama3Scaling {
  double factor = 1, low_freq_factor = 1, high_freq_factor = 4, original_max_positions = 8192;
};
void scale_llama3(std::vector<double>& frequencies, const Llama3Scaling& scaling);

// YaRN (Peng et al. 2023): frequencies that turn fewer than `beta_slow` times over the original positions
// are slowed by `factor`, those that turn more than `beta_fast` times are kept, a linear ramp over the
// dimensions between; `truncate` rounds the ramp's ends to whole dimensions.
struct YarnScaling {
  double factor = 1, beta_fast = 32, beta_slow = 1, original_max_positions = 4096;
  bool truncate = true;
};
void scale_yarn(std::vector<double>& frequencies, double base, const YarnScaling& scaling);
// The factor of cosine and sine that YaRN asks for: 0.1 m ln(factor) + 1, or 1 for factors up to 1.
double yarn_amplitude(double factor, double m = 1);

// The turn of every head dimension at the tokens of a pass, each [N, 1, h]: the cosine of its pair's angle,
// and the sine with the sign that its partner takes. Dimensions that stand still have 1 and 0.
struct Rotation {
  RotaryPairs pairs = RotaryPairs::kHalfSplit;
  std::int64_t turned = 0;  // dimensions of a head that turn, the first ones
  at::Tensor cos, sin;
};

// Worked out in float32, given in the dtype of `options`. `row_lengths` [N] int64: how long each token's row
// is, for tables that ask (RotaryTable::long_from); undefined: no row is long.
Rotation make_rotation(const RotaryTable& table, std::int64_t head_dim, const at::Tensor& positions,
                       const at::Tensor& row_lengths, const at::TensorOptions& options);

// x [N, heads, h] with every pair (a, b) -> (a cos - b sin, b cos + a sin): x cos + partner(x) sin.
at::Tensor rotate(const at::Tensor& x, const Rotation& rotation);

}  // namespace emend
