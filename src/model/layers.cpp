#include "model/layers.h"

#include <ATen/ATen.h>

#include "model/project.h"

namespace emend {

namespace {

at::Tensor activate(const at::Tensor& x, ActivationKind kind) {
  switch (kind) {
    case ActivationKind::kGeluTanh:
      return at::gelu(x, "tanh");
    case ActivationKind::kGelu:
      return at::gelu(x);
    case ActivationKind::kSilu:
      return at::silu(x);
    case ActivationKind::kRelu:
      return at::relu(x);
    case ActivationKind::kQuickGelu:
      return x * at::sigmoid(1.702 * x);
    case ActivationKind::kTanh:
      return at::tanh(x);
  }
  return x;
}

at::Tensor contribution(const at::Tensor& y, const at::Tensor& norm, const at::Tensor& norm_bias,
                        const BlockSpec& spec) {
  const at::Tensor normal = norm.defined() ? normalise(y, norm, norm_bias, spec) : y;
  return spec.residual_multiplier == 1 ? normal : normal * spec.residual_multiplier;
}

}  // namespace

at::Tensor normalise(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                     const BlockSpec& spec) {
  if (spec.norm == NormKind::kLayerNorm) return at::layer_norm(x, {x.size(-1)}, weight, bias, spec.norm_eps);
  if (x.is_cuda())
    return at::rms_norm(x, {x.size(-1)}, weight, spec.norm_eps);  // one kernel instead of eight
  const at::Tensor wide = x.to(at::kFloat);
  return (wide * at::rsqrt(wide.square().mean(-1, true) + spec.norm_eps)).to(x.scalar_type()) * weight;
}

MlpScores mlp_scores(const at::Tensor& x, const BlockWeights& weights, const ModelConfig& config,
                     const BlockSpec& spec) {
  const at::Tensor inner = project(x, weights, &BlockWeights::mlp_in, &BlockWeights::mlp_in_bias);
  if (!spec.gated_mlp) return {inner, {}};
  return {inner.narrow(1, 0, config.d_ff), inner.narrow(1, config.d_ff, config.d_ff)};
}

at::Tensor mlp_key(const MlpScores& scores, const BlockSpec& spec) {
  const at::Tensor active = activate(scores.gate, spec.activation);
  return spec.gated_mlp ? active * scores.up : active;
}

at::Tensor attention_contribution(const at::Tensor& y, const BlockWeights& weights, const BlockSpec& spec) {
  return contribution(y, weights.attention_post_norm, weights.attention_post_norm_bias, spec);
}

at::Tensor mlp_contribution(const at::Tensor& y, const BlockWeights& weights, const BlockSpec& spec) {
  return contribution(y, weights.mlp_post_norm, weights.mlp_post_norm_bias, spec);
}

at::Tensor soft_capped(const at::Tensor& x, double cap) {
  return cap > 0 ? at::tanh(x / cap) * cap : x;
}

at::Tensor overlay_strength(const at::Tensor& key, const Overlay& overlay) {
  return at::matmul(key.to(overlay.A.scalar_type()), overlay.A.t());
}

at::Tensor overlay_value(const at::Tensor& strength, const Overlay& overlay, const at::Tensor& row) {
  return at::matmul(overlay.gate.defined() ? strength * overlay.gate.index_select(0, row) : strength,
                    overlay.B.t());
}

}  // namespace emend
