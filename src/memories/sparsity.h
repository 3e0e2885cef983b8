// The sparsity curve: predictions with few cells a token (SparsityPoint of emend/memory_aggregate.h).
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <vector>

#include "emend/memory_aggregate.h"
#include "emend/progress.h"

namespace emend {

// The shares of cells that are kept.
inline constexpr std::array<double, 7> kKeptShares = {0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1};

// Of `rows`, whose tokens all count. Each share takes two passes over each block, since what a layer keeps
// depends on what the layers in front of it have kept.
std::vector<SparsityPoint> sparsity_curve(const Model& model, const std::vector<int>& layers,
                                          const std::vector<std::vector<std::int64_t>>& rows,
                                          std::int64_t token_budget, Progress& progress);

// The key with the coefficients of all but `kept` cells set to 0. key [n, F], norms [F]; the cells of a token
// with the largest |m| norm stay.
at::Tensor keep_largest(const at::Tensor& key, const at::Tensor& norms, std::int64_t kept);

}  // namespace emend
