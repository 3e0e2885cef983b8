// One prompt, run once as it is, and many times from some token and layer on with coefficients changed.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "emend/generate.h"
#include "emend/memory_id.h"
#include "emend/model.h"

namespace emend {

// m times `factor` at the token where a run begins to differ.
struct CellFactor {
  MemoryId cell;
  double factor = 0;
};
using CellFactors = std::vector<CellFactor>;

class ChangedRuns {
 public:
  // One pass over the prompt of N tokens, which stays in the cache. The model must outlive this. Later passes
  // hold at most `token_budget` tokens side by side, and one variant at least.
  ChangedRuns(const Model& model, TokenIds ids, std::int64_t token_budget = 4096);

  const TokenIds& ids() const { return ids_; }
  std::int64_t last() const { return static_cast<std::int64_t>(ids_.size()) - 1; }
  // Log probabilities of the next token at the end [V], float64 on the CPU.
  const at::Tensor& unchanged() const { return unchanged_; }
  // The logits [V], float32 on the CPU.
  const at::Tensor& unchanged_logits() const { return unchanged_logits_; }
  // Coefficients of a layer at the last token [F], float32 on the CPU.
  const at::Tensor& key(int layer) const { return keys_[static_cast<std::size_t>(layer)]; }

  // The same log probabilities, one row a variant [n, V]: each with the coefficients of some cells at
  // `position` multiplied. Tokens in front of it and blocks below the lowest cell do not run again.
  at::Tensor changed(const std::vector<CellFactors>& variants, std::int64_t position) const;
  // Of one token alone [n], or the logits of some [n, T], float32: what is not asked for is not kept.
  // `after_batch` is called behind each pass; it may throw to stop.
  using AfterBatch = std::function<void()>;
  at::Tensor changed(const std::vector<CellFactors>& variants, std::int64_t position, std::int64_t token,
                     const AfterBatch& after_batch = {}) const;
  at::Tensor changed_logits(const std::vector<CellFactors>& variants, std::int64_t position,
                            const std::vector<std::int64_t>& tokens,
                            const AfterBatch& after_batch = {}) const;

  // The path of a layer's coefficients at the last token from zero to what they are, in `steps` steps k:
  // the sum over k of dP(token | m k / steps) / dm [F], float64, with all of the layer's coefficients moved
  // at once. Sets `at_zero` to P(token | 0).
  at::Tensor path_gradients(int layer, std::int64_t token, int steps, double& at_zero) const;

 private:
  using Take = std::function<at::Tensor(const at::Tensor& logits)>;
  // What `take` makes of the logits [n, V] of each batch, one behind the other.
  at::Tensor in_batches(const std::vector<CellFactors>& variants, std::int64_t position, const Take& take,
                        const AfterBatch& after_batch) const;
  // Logits [n, V] of variants that run side by side, float32 on the CPU.
  at::Tensor side_by_side(const std::vector<CellFactors>& variants, std::int64_t position) const;
  PassInput from(int block, std::int64_t position, std::int64_t variants) const;

  const Model& model_;
  TokenIds ids_;
  std::int64_t token_budget_;
  KvCache cache_;                     // of all tokens
  std::vector<at::Tensor> entering_;  // [N, D] the stream entering each block
  std::vector<at::Tensor> keys_;
  at::Tensor unchanged_logits_, unchanged_;
  mutable KvCache front_;  // the cache cut in front of a position, kept for the next call
  mutable std::int64_t front_length_ = -1;
};

}  // namespace emend
