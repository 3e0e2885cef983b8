// The clean run and the corrupted runs of one fact, with all that restoring needs.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "analysis/causal_trace/traced_prompt.h"

namespace emend::trace {

// What stands at one site in every block. Float type and device of the model.
struct SiteStates {
  std::vector<at::Tensor> clean;      // [L] of [T, D]
  std::vector<at::Tensor> corrupted;  // [L] of [S, T, D]
};

struct TraceRuns {
  TracedPrompt row;
  int samples = 0;
  double high = 0;                 // the answer's probability in the clean run
  std::vector<double> low;         // [S] in the corrupted ones
  TokenIds greedy;                 // the likeliest token at each of the answer's places, clean
  at::Tensor clean_embedding;      // [T, D] entering block 0
  at::Tensor corrupted_embedding;  // [S, T, D]
  SiteStates block, mlp, attention;
  KvCache cache;  // row 0 clean, rows 1..S corrupted

  const SiteStates& at(Site site) const {
    return site == Site::kMlpOutput ? mlp : site == Site::kAttentionOutput ? attention : block;
  }
  double mean_low() const;
  // The cache as rows that begin at `token` see it. It shares its keys and values with `cache`: it costs next
  // to nothing, and passes that do not append only read them.
  KvCache cache_before(std::int64_t token) const;
};

// One pass over S + 1 rows. `subject` [S, subject tokens, D]: corrupted_embeddings.
TraceRuns run_clean_and_corrupted(const Model& model, const TracedPrompt& row, const at::Tensor& subject);

// exp(mean log-probability) of the answer in each row [R]; logits [R * answer tokens, V].
at::Tensor answer_probability(const at::Tensor& logits, const TokenIds& answer);

// Packed indices of the tokens at which the answer is read, in rows of `width` tokens each.
std::vector<std::int64_t> reading_tokens(std::int64_t rows, std::int64_t width, std::int64_t answer_tokens);

}  // namespace emend::trace
