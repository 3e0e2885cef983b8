// Causal attention over packed rows with a cache (GPT-2; Llama's grouped
// queries); names of sizes: emend/pass.h.
#pragma once

#include <ATen/core/Tensor.h>

#include "emend/model.h"
#include "emend/pass.h"
#include "model/layers.h"
#include "model/row_layout.h"

namespace emend {

// softmax(cap(q k^T s) + mask) v and its output projection: x [N, D] (normalised) -> [N, D], or [n, D] of the
// tokens `only` when that is defined. Held gradients do not run through the weights.
at::Tensor attention(const at::Tensor& x, const BlockWeights& weights, const ModelConfig& config, int block,
                     const RowLayout& layout, const PassInput& input, const at::Tensor& only,
                     Gradients gradients = Gradients::kExact);

// What the heads of a block read in a row that begins at position 0 and stands alone in its layout: head j of
// token q takes the sum over t of weights[j, q, t] times values[t, j / (H / K)].
struct HeadReads {
  at::Tensor weights;  // [H, n, N] float32, of the query tokens `queries`
  at::Tensor values;   // [N, K, h]
};
// x [N, D] (normalised); `queries` [n] int64. The layout has no buckets.
HeadReads head_reads(const at::Tensor& x, const BlockWeights& weights, const ModelConfig& config, int block,
                     const RowLayout& layout, const at::Tensor& queries);

}  // namespace emend
