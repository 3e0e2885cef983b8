// Keys of different edits that can hardly be told apart, which is what makes a joint update large.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "linalg/response_solver.h"

namespace emend::editors {

struct KeyPair {
  std::size_t one = 0, other = 0;  // columns, one < other
  double cosine = 0;               // under C^-1
};

struct ParallelKeys {
  static constexpr double kNear = 0.95;  // a cosine that is worth a warning
  static constexpr std::size_t kMost = 100;

  std::vector<KeyPair> near;       // the first kMost pairs above kNear, by their columns
  std::int64_t untold = 0;         // pairs above kNear beyond these
  std::optional<KeyPair> closest;  // of the largest |cosine|
};

// Among the columns of K [F, n] float64. 2 F^2 n + F n^2 operations; besides C^-1 K, cosines of `rows`
// columns with all others are held at a time.
ParallelKeys find_parallel_keys(const KeyMetric& metric, const at::Tensor& K, std::int64_t rows = 256);

}  // namespace emend::editors
