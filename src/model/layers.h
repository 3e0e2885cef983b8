// Norms and the two-layer MLP, as the papers' figures have them.
#pragma once

#include <ATen/core/Tensor.h>

#include "emend/model.h"

namespace emend {

// How gradients run through what is not linear. The values are the same.
enum class Gradients {
  kExact,
  // RelP (Jafari et al. 2025, arXiv 2508.21258): the sizes that norms divide by, attention's weights, the
  // ratio act(x) / x of activations and that of a soft cap stand still, and the product of gate and up gives
  // half of its gradient to either. A logit is then shared out in full by a site's vectors times their
  // gradients, but for biases.
  kHeld,
};

// LayerNorm (Ba et al. 2016) or RMSNorm (Zhang and Sennrich 2019) of the last dimension; float32 inside.
at::Tensor normalise(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                     const BlockSpec& spec, Gradients gradients = Gradients::kExact);

// What a norm divides each token of x [N, D] by: [N, 1] float32.
at::Tensor norm_size(const at::Tensor& x, const BlockSpec& spec);
// Without their mean where the norm is a LayerNorm; x itself otherwise.
at::Tensor centred(const at::Tensor& x, const BlockSpec& spec);

// What the first projection of the MLP gives, each [N, F]: the input of the activation, and of an MLP with a
// gate the factor behind it (undefined without one).
struct MlpScores {
  at::Tensor gate, up;
};
MlpScores mlp_scores(const at::Tensor& x, const BlockWeights& weights, const ModelConfig& config,
                     const BlockSpec& spec);
// The key of the feed-forward memory: act(gate), or act(gate) * up. [N, F].
at::Tensor mlp_key(const MlpScores& scores, const BlockSpec& spec, Gradients gradients = Gradients::kExact);

// What half a block adds to the residual stream for what its output projection gives, `y` [N, D]: behind the
// norm that follows it, times the residual multiplier. Without those it is y itself.
at::Tensor attention_contribution(const at::Tensor& y, const BlockWeights& weights, const BlockSpec& spec,
                                  Gradients gradients = Gradients::kExact);
at::Tensor mlp_contribution(const at::Tensor& y, const BlockWeights& weights, const BlockSpec& spec,
                            Gradients gradients = Gradients::kExact);

// cap tanh(x / cap); x itself where cap is 0.
at::Tensor soft_capped(const at::Tensor& x, double cap, Gradients gradients = Gradients::kExact);

// What an overlay adds to W k, in two steps: its components' answers to the keys, A k [N, n], and B (A k *
// gate) [N, D], the gates being those of each key's row, `row` [N].
at::Tensor overlay_strength(const at::Tensor& key, const Overlay& overlay);
at::Tensor overlay_value(const at::Tensor& strength, const Overlay& overlay, const at::Tensor& row);

}  // namespace emend
