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

// `value`, with the gradient of `linear`.
at::Tensor with_gradient_of(const at::Tensor& linear, const at::Tensor& value) {
  return value.detach() + (linear - linear.detach());
}

at::Tensor contribution(const at::Tensor& y, const at::Tensor& norm, const at::Tensor& norm_bias,
                        const BlockSpec& spec, Gradients gradients) {
  const at::Tensor normal = norm.defined() ? normalise(y, norm, norm_bias, spec, gradients) : y;
  return spec.residual_multiplier == 1 ? normal : normal * spec.residual_multiplier;
}

}  // namespace

at::Tensor norm_size(const at::Tensor& x, const BlockSpec& spec) {
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor square =
      spec.norm == NormKind::kLayerNorm ? wide.var(1, false, true) : wide.square().mean(1, true);
  return (square + spec.norm_eps).sqrt();
}

at::Tensor centred(const at::Tensor& x, const BlockSpec& spec) {
  return spec.norm == NormKind::kLayerNorm ? x - x.mean(-1, true) : x;
}

at::Tensor normalise(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                     const BlockSpec& spec, Gradients gradients) {
  if (gradients == Gradients::kHeld && x.requires_grad()) {
    const at::Tensor size = norm_size(x.detach(), spec).to(x.scalar_type());
    return with_gradient_of(centred(x, spec) / size * weight, normalise(x.detach(), weight, bias, spec));
  }
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

at::Tensor mlp_key(const MlpScores& scores, const BlockSpec& spec, Gradients gradients) {
  at::Tensor active = activate(scores.gate, spec.activation);
  if (gradients == Gradients::kExact) return spec.gated_mlp ? active * scores.up : active;
  const at::Tensor ratio = at::where(scores.gate == 0, at::zeros_like(active), active / scores.gate).detach();
  active = with_gradient_of(scores.gate * ratio, active);
  if (!spec.gated_mlp) return active;
  return with_gradient_of(0.5 * (active * scores.up.detach() + active.detach() * scores.up),
                          active * scores.up);
}

at::Tensor attention_contribution(const at::Tensor& y, const BlockWeights& weights, const BlockSpec& spec,
                                  Gradients gradients) {
  return contribution(y, weights.attention_post_norm, weights.attention_post_norm_bias, spec, gradients);
}

at::Tensor mlp_contribution(const at::Tensor& y, const BlockWeights& weights, const BlockSpec& spec,
                            Gradients gradients) {
  return contribution(y, weights.mlp_post_norm, weights.mlp_post_norm_bias, spec, gradients);
}

at::Tensor soft_capped(const at::Tensor& x, double cap, Gradients gradients) {
  if (cap <= 0) return x;
  const at::Tensor value = at::tanh(x / cap) * cap;
  return gradients == Gradients::kExact ? value : with_gradient_of(x * (value / x).detach(), value);
}

at::Tensor overlay_strength(const at::Tensor& key, const Overlay& overlay) {
  return at::matmul(key.to(overlay.A.scalar_type()), overlay.A.t());
}

at::Tensor overlay_value(const at::Tensor& strength, const Overlay& overlay, const at::Tensor& row) {
  return at::matmul(overlay.gate.defined() ? strength * overlay.gate.index_select(0, row) : strength,
                    overlay.B.t());
}

}  // namespace emend
