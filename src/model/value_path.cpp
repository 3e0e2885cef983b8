#include "model/value_path.h"

#include <ATen/ATen.h>

#include <cmath>

#include "model/layers.h"

namespace emend {

ValuePath::ValuePath(const Model& model, int block) : spec_(model.config().spec(block)) {
  const BlockWeights& weights = model.weights().blocks.at(static_cast<std::size_t>(block));
  norm_ = weights.mlp_post_norm;
  norm_bias_ = weights.mlp_post_norm_bias;
  direct_ = !norm_.defined() && spec_.residual_multiplier == 1;
}

at::Tensor ValuePath::arrived(const at::Tensor& values) const {
  if (direct_) return values;
  const auto like_values = [&](const at::Tensor& t) { return t.defined() ? t.to(values.options()) : t; };
  BlockWeights weights;
  weights.mlp_post_norm = like_values(norm_);
  weights.mlp_post_norm_bias = like_values(norm_bias_);
  return mlp_contribution(values, weights, spec_);
}

at::Tensor ValuePath::arrived_change(const at::Tensor& values, const at::Tensor& change) const {
  return direct_ ? change : arrived(values + change) - arrived(values);
}

// A norm x / size(x) * w has the derivative (1 - projections) * w / size(x), no longer than max |w| /
// size(x).
at::Tensor ValuePath::gain(const at::Tensor& values) const {
  const double multiplier = std::abs(spec_.residual_multiplier);
  if (!norm_.defined()) return at::full({values.size(0)}, multiplier, values.options());
  const at::Tensor wide = values.to(at::kFloat);
  const at::Tensor size = spec_.norm == NormKind::kRmsNorm ? (wide.square().mean(1) + spec_.norm_eps).sqrt()
                                                           : (wide.var(1, false) + spec_.norm_eps).sqrt();
  const at::Tensor largest = norm_.to(wide.options()).abs().max();
  return (largest * multiplier / size).to(values.scalar_type());
}

}  // namespace emend
