// What is asked of a row of logits while it is in the cache.
#pragma once

#include <cstdint>

namespace emend {

// Sums over logits z, shifted by the largest and the smallest of all that went into them.
struct ExponentialSums {
  double sum = 0, weighted = 0;          // of e^(z - high), and of (z - high) e^(z - high)
  double low_sum = 0, low_weighted = 0;  // of e^(low - z), and of (low - z) e^(low - z)
};

// The same functions for several instruction sets. Rows are finite float32 and may lie anywhere.
struct SweepKernels {
  void (*extremes)(const float* row, std::int64_t count, float& high, float& low);
  // Of one row's portion; no element above `high` or below `low`.
  ExponentialSums (*sums)(const float* row, std::int64_t count, float high, float low);
  std::int64_t (*count_above)(const float* row, std::int64_t count, float bound);
  // Where elements are above `high` or below `low`, by rising index; returns how many. `found` has room for
  // `count`.
  std::int64_t (*collect)(const float* row, std::int64_t count, float high, float low, std::int32_t* found);
};

// Those that this machine runs fastest.
const SweepKernels& sweep_kernels();

}  // namespace emend
