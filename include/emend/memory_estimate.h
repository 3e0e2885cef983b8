// What loading, an edit, a trace and statistics will take, from a model's shape alone, before any weight is
// loaded. The formulas are here and nowhere else; statistics plan with them too.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emend/model.h"

namespace emend {

// All results are bytes. Symbols: P weights of s bytes each, L layers, D hidden size, F keys of a layer, I
// rows of the MLP's first product (F, or 2 F where it is gated), V vocabulary, H query heads and K key/value
// heads of h numbers.

// s P: the weights in memory.
std::int64_t weight_bytes(const ModelConfig& config, ComputeType type);

// s P, and 4 bytes an element of the largest tensor that is not read straight into its place (0: none).
std::int64_t load_bytes(const ModelConfig& config, ComputeType type, std::int64_t staged_elements);

// The most that one block of a pass over `tokens` tokens in rows of `width` holds at once, in float32: 4
// tokens max(I + 3 F + 3 D, 3 H width + 4 (H + 2 K) h + 3 D).
std::int64_t pass_bytes(const ModelConfig& config, std::int64_t tokens, std::int64_t width);

// Besides the weights, an edit of one fact holds, whichever is more, what factoring C takes: the factor,
// 4 F (F + b) in panels of b = min(F, 2048) columns, C in its file, 4 F^2, and 8 b (2 F - b); or what the
// search keeps for its gradients in the blocks above `layer`: 4 tokens (L - layer) (8 D + (H + 2 K) h + I +
// 2 F), `tokens` being those of all its rows from the subject's last one to the target's end; and logits,
// 12 V a row. A factor of one panel stays beside the search, and so does one of several where the statistics
// folder cannot keep it (factor_in_file = false). This is in float32; memory_needs and bulk_edit_memory take
// the type of the weights.
struct EditSize {
  int layer = 0;
  std::int64_t rows = 21, tokens = 168;
  bool factor_in_file = true;
};
std::int64_t edit_bytes(const ModelConfig& config, const EditSize& size);

// Besides the weights, a trace of one fact holds what its clean and its corrupted rows did, 4 (samples + 1)
// T L (3 D + 2 K h), and one pass over restored rows, of at most token_budget tokens.
struct TraceSize {
  std::int64_t prompt_tokens = 32, samples = 10, token_budget = 4096;
};
std::int64_t trace_bytes(const ModelConfig& config, const TraceSize& size);

// Besides the weights, statistics of m layers from text that the model writes itself hold the sums, about 8 F
// (F + 256) a layer; keys that wait for their product, 8192 F a layer; the keys and values of n = R T tokens,
// 8 L K h n for R texts of T tokens, 64 x 60 or more; logits, 16 V R; or, while a layer is finished, 16 F^2
// beside the sums, if that is more (or 8 F^2 + 4 F (F + b) + 8 b (2 F - b), which is more up to F = 6100).
std::int64_t own_text_statistics_bytes(const ModelConfig& config, std::int64_t layers);
// The same for given text, which runs in passes of at most `token_budget` tokens in rows of `width`.
std::int64_t given_text_statistics_bytes(const ModelConfig& config, std::int64_t layers,
                                         std::int64_t token_budget, std::int64_t width);
// The part of these bytes that the sums take.
std::int64_t statistics_sum_bytes(const ModelConfig& config, std::int64_t layers);

// Besides the weights, a text of n tokens that follows a prompt of T holds their keys and values, 8 L K h n,
// the pass over the prompt, and logits, 12 V.
struct GenerateSize {
  std::int64_t prompt_tokens = 512, new_tokens = 20;
};
std::int64_t generate_bytes(const ModelConfig& config, const GenerateSize& size);

// One line of a report.
struct MemoryNeed {
  std::string work;        // "edit of one fact"
  std::int64_t bytes = 0;  // at the peak, weights included
  std::string formula;     // "weights + 8 F^2 + ...", with the sizes that were assumed
};

// An edit of many facts over several layers (docs/bulk.md).
struct BulkSize {
  std::int64_t facts = 1;         // n: residuals that are found, those of an earlier edit among them
  std::int64_t layers = 1;        // m: written
  std::int64_t keys = 3;          // j: of a fact at a layer, with the protected one
  bool moments = true;            // other text is preserved by C; else C = I
  double null_space = 0;          // share of the directions that are kept; 0: C is factored
  int searched_layer = 0;         // l: where values are searched
  std::int64_t prompt_rows = 21;  // of a fact: behind contexts, and the bare one
  std::int64_t search_rows = 0, search_tokens = 0;    // of the largest batch of the search
  std::int64_t read_tokens = 4096, read_width = 512;  // of the largest pass that reads keys, and its rows
};

// The memory that it takes: `held` from the first solve to the end, and in addition one of `phases` at a
// time.
struct EditMemory {
  std::vector<MemoryNeed> held, phases;
  std::int64_t search_tokens = 0;  // tokens of a batch of the search, at most; 0: as the method's options say

  std::int64_t bytes() const;  // at the peak: all that is held, and the largest phase
};

// held: weights; the changed ones, s D F m; C in its file, 4 F^2 m; its factor, about 4 F^2 m (8 F^2 m up to
// F = 2048), or its eigenvectors with the null space, 8 F^2 m and its share of as much; keys,
// 8 F n m (2 + j); responses and the change, 12 F n m; residuals, 12 D n m. phases: making a factor or
// eigenvectors; reading keys; a batch of the search; a solve, with q = n (j - 1) + 1 keys; the records of the
// facts.
EditMemory bulk_edit_memory(const ModelConfig& config, ComputeType type, const BulkSize& size);

// Loading; a pass; an edit; a trace; statistics of one layer and of all. Tensors on the CPU: the program and
// its libraries take some 200 MB more.
std::vector<MemoryNeed> memory_needs(const ModelConfig& config, ComputeType type,
                                     std::int64_t staged_elements);

}  // namespace emend
