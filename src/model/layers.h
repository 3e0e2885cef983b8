// Norms and the two-layer MLP, as the papers' figures have them.
#pragma once

#include <ATen/core/Tensor.h>

#include "emend/model.h"

namespace emend {

// LayerNorm (Ba et al. 2016) or RMSNorm (Zhang and Sennrich 2019), x [N, D]; float32 inside.
at::Tensor normalise(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                     const ModelConfig& config);

// The key of the feed-forward memory: act(up x), or act(gate x) * (up x). x [N, D] -> [N, F].
at::Tensor mlp_key(const at::Tensor& x, const BlockWeights& weights, const ModelConfig& config);

}  // namespace emend
