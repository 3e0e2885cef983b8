// Which blocks stay in memory where not all weights do.
#pragma once

#include <cstdint>
#include <string>

#include "emend/model.h"

namespace emend {

// Bytes of weights in memory: of all, and of those that are held however few blocks stay: tables, norms,
// biases, and the matrices of the largest block, which is the room that the others are read into.
struct WeightSizes {
  std::int64_t all = 0, least = 0;
};
WeightSizes weight_sizes(const ModelConfig& config, const at::TensorOptions& options);

// The first of the blocks that stay, the highest ones: as many as fit into `weight_bytes` beside the least;
// 0 where all weights fit, and for weight_bytes = 0. Throws Error(kConfig) naming `where` for less than the
// least.
int first_kept_block(const ModelConfig& config, const at::TensorOptions& options, std::int64_t weight_bytes,
                     const std::string& where);

}  // namespace emend
