#include "model/layers.h"

#include <ATen/ATen.h>

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
  }
  return x;
}

}  // namespace

at::Tensor normalise(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                     const ModelConfig& config) {
  if (config.norm == NormKind::kLayerNorm)
    return at::layer_norm(x, {x.size(1)}, weight, bias, config.norm_eps);
  if (x.is_cuda())
    return at::rms_norm(x, {x.size(1)}, weight, config.norm_eps);  // one kernel instead of eight
  const at::Tensor wide = x.to(at::kFloat);
  return (wide * at::rsqrt(wide.square().mean(-1, true) + config.norm_eps)).to(x.scalar_type()) * weight;
}

at::Tensor mlp_key(const at::Tensor& x, const BlockWeights& weights, const ModelConfig& config) {
  const at::Tensor inner = at::linear(x, weights.mlp_in, weights.mlp_in_bias);
  if (!config.gated_mlp) return activate(inner, config.activation);
  const auto gate_and_up = inner.split(config.d_ff, 1);
  return activate(gate_and_up[0], config.activation) * gate_and_up[1];
}

at::Tensor overlay_strength(const at::Tensor& key, const Overlay& overlay) {
  return at::matmul(key.to(overlay.A.scalar_type()), overlay.A.t());
}

at::Tensor overlay_value(const at::Tensor& strength, const Overlay& overlay, const at::Tensor& row) {
  return at::matmul(overlay.gate.defined() ? strength * overlay.gate.index_select(0, row) : strength,
                    overlay.B.t());
}

}  // namespace emend
