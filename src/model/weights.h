// Weights by role: room for them, from the config alone, and the place that each role fills.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "emend/model.h"
#include "model/role_table.h"

namespace emend {

// Empty tensors of every weight that the config calls for.
// Block l's on block_device[l], all others on the device of `options`; the matrices of the blocks below
// `first_kept` have shapes and no memory. Throws Error(kConfig) when they do not fit.
ModelWeights allocate_weights(const ModelConfig& config, const at::TensorOptions& options,
                              const std::vector<at::Device>& block_device, int first_kept = 0);

// The part of the weights that a role names: a view, row-contiguous, [out, in] or [n]. Undefined when this
// model has none (no bias, tied head).
at::Tensor weight_view(ModelWeights& weights, const ModelConfig& config, Role role, int block);
// The same of a role inside blocks, in the block of this number.
at::Tensor block_view(BlockWeights& weights, const ModelConfig& config, Role role, int number);

// Calls `visit` with every tensor that the model has, each once (a tied head is the embedding), in the order
// of the role table, block after block. Blocks that are not kept are read for it one by one.
void for_each_weight(const ModelWeights& weights, const std::function<void(const at::Tensor&)>& visit);
// The same as a list, of tensors as they are kept.
std::vector<at::Tensor> all_weights(const ModelWeights& weights);

// Throws Error(kModel) naming `where` when the sizes contradict each other.
void check_config(const ModelConfig& config, const std::string& where);

}  // namespace emend
