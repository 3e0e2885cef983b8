// The product with a matrix of a block.
#pragma once

#include <ATen/core/Tensor.h>

#include "emend/model.h"
#include "model/block_reader.h"

namespace emend {

// W x + b of each row: x [N, in] -> [N, out]. Where W is lent (block_reader.h), the graph does not hold it: a
// gradient reads it again.
at::Tensor project(const at::Tensor& x, const BlockWeights& weights, BlockMatrix matrix, BlockMatrix bias);

}  // namespace emend
