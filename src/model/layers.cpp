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
  const at::Tensor wide = x.to(at::kFloat);
  return (wide * at::rsqrt(wide.square().mean(-1, true) + config.norm_eps)).to(x.scalar_type()) * weight;
}

at::Tensor mlp_key(const at::Tensor& x, const BlockWeights& weights, const ModelConfig& config) {
  const at::Tensor inner = at::linear(x, weights.mlp_in, weights.mlp_in_bias);
  if (!config.gated_mlp) return activate(inner, config.activation);
  return activate(inner.narrow(1, 0, config.d_ff), config.activation) *
         inner.narrow(1, config.d_ff, config.d_ff);
}

}  // namespace emend
