// Text from a model: greedy or sampled continuations of many prompts at once, and the likelihood of given
// ones.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emend/model.h"
#include "emend/progress.h"

namespace emend {

using TokenIds = std::vector<std::int64_t>;

struct GenerateOptions {
  std::int64_t max_new = 20;  // tokens, >= 1
  double temperature = 0;     // 0: greedy; > 0: softmax(logits / temperature)
  std::int64_t top_k = 0;     // draw among the k likeliest; 0: among all
  std::uint64_t seed = 0;
  // Row i draws from random stream `stream + i`: the result does not depend on batch size or order.
  std::uint64_t stream = 0;
  std::vector<std::int64_t> stop;    // ids that end a row (kept out of the result)
  std::int64_t token_budget = 4096;  // tokens of prompts that one pass may hold
  // Called after every token column of a batch; may throw to stop; null: no reports.
  Progress* progress = nullptr;
};

// New tokens of each prompt. Prompts are not padded, so each result equals that of the prompt alone up to
// rounding. Work: one pass over each prompt, then one token column a step; finished rows leave. `overlays`
// act on all rows.
std::vector<TokenIds> generate(const Model& model, const std::vector<TokenIds>& prompts,
                               const GenerateOptions& options, const std::vector<Overlay>& overlays = {});

struct TokenLogprob {
  std::int64_t id;
  double logprob;  // natural logarithm of the softmax
};

// The k likeliest next tokens of each prompt, likeliest first (ties: lower id first).
std::vector<std::vector<TokenLogprob>> next_tokens(const Model& model, const std::vector<TokenIds>& prompts,
                                                   std::int64_t k, std::int64_t token_budget = 4096,
                                                   const std::vector<Overlay>& overlays = {});

// A continuation of one of the prompts.
struct Continuation {
  std::size_t prompt = 0;  // index into the prompts
  TokenIds target;         // at least one id
};

struct ContinuationScore {
  double nll = 0;  // nats a token: -(1/q) sum_j log p(target_j | prompt, target_<j)   (the nll of ES: Meng et
                   // al. 2022, section 3.2)
  bool argmax = false;  // every target token is the likeliest there, under teacher forcing
};

// Scores of all continuations; the blocks run once over each prompt, however many continuations it has.
std::vector<ContinuationScore> score_continuations(const Model& model, const std::vector<TokenIds>& prompts,
                                                   const std::vector<Continuation>& continuations,
                                                   std::int64_t token_budget = 4096,
                                                   const std::vector<Overlay>& overlays = {});

// Mean nll of the next token over all positions of the texts (each begins with its first id given): log of
// the perplexity.
double mean_nll(const Model& model, const std::vector<TokenIds>& texts, std::int64_t token_budget = 4096,
                const std::vector<Overlay>& overlays = {});

}  // namespace emend
