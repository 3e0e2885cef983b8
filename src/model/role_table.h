// The parts that tensors play in a model, as one table. Allocation, views, random models, digests, parameter
// counts and loading all follow it; a new kind of weight is a row here and a member of BlockWeights.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "emend/model.h"

namespace emend {

// What a random model puts into a weight: normal numbers of the usual deviation (tables before all others),
// of the smaller deviation of output projections, ones, or zeros.
enum class RandomFill { kTable, kInner, kOutput, kOnes, kZeros };

// Heads of the parameter count.
enum class ParameterGroup {
  kTokenEmbedding,
  kPositionEmbedding,
  kAttention,
  kMlpUp,
  kMlpDown,
  kNorms,
  kHead
};

// The sizes of a weight; empty: this model has none. `spec` is that of the weight's block.
using ShapeRule = std::vector<std::int64_t> (*)(const ModelConfig& config, const BlockSpec& spec);
// First row and number of rows inside a fused weight; 0 rows: this model has none.
using PartRule = std::pair<std::int64_t, std::int64_t> (*)(const ModelConfig& config, const BlockSpec& spec);

struct RoleInfo {
  Role role;
  std::string name;                    // for people, and in digests
  std::string gguf;                    // the tensor's name in GGUF files; "{l}" stands for the block
  at::Tensor BlockWeights::*in_block;  // where the weight is kept: in a block,
  at::Tensor ModelWeights::*in_model;  // or once in the model; the other one is null
  ShapeRule shape;                     // of a whole weight; null for a part of one
  PartRule part;                       // rows of a fused weight; null for a whole one
  RandomFill fill;
  ParameterGroup group;
  bool listed;  // among the roles of a model made in memory: matrices and norms, once each

  bool is_whole() const { return shape != nullptr; }
};

// All roles, those outside blocks first, in the order in which digests take them.
const std::vector<RoleInfo>& role_table();
const RoleInfo& role_info(Role role);

// Whether a role is inside a block.
bool is_block_role(Role role);
// Whether the role is the factor of a norm.
bool is_norm_factor(Role role);

// Parameters by group, as named for people, in the order of ParameterGroup.
std::vector<std::pair<std::string, std::int64_t>> count_parameters(const ModelConfig& config,
                                                                   const ModelWeights& weights);

}  // namespace emend
