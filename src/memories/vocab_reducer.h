// Many vectors against a whole vocabulary, without the table of all their logits.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

namespace emend {

// M vectors as rows H [M, D] and a vocabulary E [V, D], both float32, contiguous and on the CPU:
// z = H E^T + offset, then capped.
struct VocabularyTask {
  at::Tensor rows;          // [M, D]
  at::Tensor table;         // [V, D]
  at::Tensor offset = {};   // [V] float32, finite; undefined: zeros
  double soft_cap = 0;      // a logit z becomes cap tanh(z / cap); 0: it stays
  std::int64_t keep = 10;   // K: how many tokens of each end are kept, 1 to V
  at::Tensor targets = {};  // [M, T] int64 ids whose ranks are wanted, -1: none; undefined: T = 0
  // Sizes of one portion of the product: rows and tokens that are multiplied at once. They change nothing but
  // the order in which a product is rounded.
  std::int64_t row_tile = 256, token_tile = 512;
  // Called with the rows that are done, by the calling thread only; may throw to stop.
  std::function<void(std::int64_t)> on_rows = {};
};

// Of each row. Ranks count from 0; of equal logits the lower id comes first, at both ends. "low" is what the
// row's negative, -h, would say where there is no offset and no cap: its logits are -z.
struct VocabularyResult {
  at::Tensor top_ids, top_logits;        // [M, K] int64, float32: largest first
  at::Tensor bottom_ids, bottom_logits;  // [M, K]: smallest first
  at::Tensor log_sum, low_log_sum;       // [M] float64: log sum exp(z), log sum exp(-z)
  at::Tensor entropy, low_entropy;       // [M] float64, nats, of softmax(z) and of softmax(-z)
  at::Tensor target_logits;              // [M, T] float32; NaN for target -1, also:
  at::Tensor target_ranks;               // [M, T] int64: how many tokens come before it from the top; -1
  at::Tensor target_low_ranks;           // the same from the bottom
};

// FLOPs 2 M D V. Each portion [row_tile, token_tile] of the product is swept while it is in the cache; rows
// are spread over threads, and few rows also in fixed parts of the vocabulary, so the result does not depend
// on the number of threads. Memory: a portion a thread and the result. Throws std::invalid_argument for
// shapes and types other than these.
VocabularyResult reduce_vocabulary(const VocabularyTask& task);

}  // namespace emend
