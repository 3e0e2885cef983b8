// Attention as a GPU runs it where gradients are taken, or scores have a soft cap.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/attend.h"

namespace emend {

// softmax(cap(q k^T scale) + mask) v for queries [R, K, Q, h], keys and values [R, K, keys, h], mask [R or 1,
// 1 or K, Q, keys]: [R, K, Q, h]. Scores and softmax in float32, whatever the model's type. Three products
// and a softmax, whose backward pass adds up in one order: torch's fused kernel's does not where there are
// more keys than one of its tiles holds, and it is slow.
at::Tensor attend_with_gradient(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values,
                                const ScoreRule& rule, const at::Tensor& mask);

}  // namespace emend
