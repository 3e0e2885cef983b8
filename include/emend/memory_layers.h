// What a model says without a layer, without half of it, or with two layers in each other's place.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emend/memory_knowledge.h"
#include "emend/model.h"
#include "emend/progress.h"

namespace emend {

enum class LayerChange {
  kSkip,   // the block does not run
  kSwap,   // the block and the next one in each other's place
  kNoFfn,  // its feed-forward network puts out zeros, at all tokens (sublayer knockout, Geva et al. 2023,
           // arXiv 2304.14767); behind a LayerNorm, that norm's bias is left
  kNoAttention,  // the same of its attention
  kNoFfnWindow,  // the same of `window` layers from it on
  kNoAttentionWindow,
};
std::string to_string(LayerChange change);  // "skip", "swap", "no ffn", "no attention", ...

struct LayerChangeOptions {
  std::vector<KnowledgeFact> facts;  // at least one; their paraphrases are prompts, too
  int window = 10;                   // layers of a window; a note if it does not fit the model
  std::string bos = "auto";
  std::int64_t token_budget = 4096;  // tokens of prompts that run side by side
};

// Of one change, over all prompts. p is the probability of the answer's first token at the prompt's end.
struct LayerEffect {
  LayerChange change = LayerChange::kSkip;
  int first = 0, last = 0;  // layers that are concerned
  double kl = 0;            // KL(unchanged || changed) of the next token, nats, mean
  double kept = 0;          // share of the prompts where the likeliest token stays
  double probability = 0;   // p, mean
};

struct LayerChangeOutcome {
  std::int64_t prompts = 0;
  double probability = 0;  // unchanged
  double right = 0;        // share of the prompts where the answer is the likeliest token, unchanged
  std::vector<LayerEffect> effects;  // by change, then by layer
  double seconds = 0;
};

// For each change and prompt the blocks from the change on. Throws Error(kUsage) as find_knowledge does, and
// for a window below 1.
LayerChangeOutcome measure_layer_changes(const Model& model, const LayerChangeOptions& options,
                                         Progress& progress = no_progress());

}  // namespace emend
