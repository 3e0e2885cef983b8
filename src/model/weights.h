// Weights by role: room for them, from the config alone, and the place that each role fills.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "emend/model.h"
#include "model/role_table.h"

namespace emend {

// Empty tensors of every weight that the config calls for.
// Block l's on block_device[l], all others on the device of `options`. Throws Error(kConfig) when they do not
// fit.
ModelWeights allocate_weights(const ModelConfig& config, const at::TensorOptions& options,
                              const std::vector<at::Device>& block_device);

// The part of the weights that a role names: a view, row-contiguous, [out, in] or [n]. Undefined when this
// model has none (no bias, tied head).
at::Tensor weight_view(ModelWeights& weights, const ModelConfig& config, Role role, int block);

// Every tensor that the model has, each once (a tied head is the embedding), in the order of the role table,
// block after block.
std::vector<at::Tensor> all_weights(const ModelWeights& weights);

// Throws Error(kModel) naming `where` when the sizes contradict each other.
void check_config(const ModelConfig& config, const std::string& where);

}  // namespace emend
