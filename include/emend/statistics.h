// Second moments of the feed-forward keys, C = E[k k^T] (Meng et al. 2022, section 3.1): what a rank-one edit must not move.
// Uncentred, over running text, position-0 keys left out (they are the attention sink's, not the text's).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "emend/model.h"
#include "emend/progress.h"

namespace emend {

// C of one layer with what it was made from.
struct LayerStatistics {
  at::Tensor C;             // [F, F] float64, symmetric, CPU
  std::int64_t tokens = 0;  // keys that were summed
};

struct Statistics {
  std::map<int, LayerStatistics> layers;
  std::string source;       // "self (seed 0)", "text: 3 files, 1.2 MB"
  std::string fingerprint;  // hex, over model, tokenizer, BOS, corpus, seed and tokens
  // Text that the sums did not see, for measuring drift: rows of ids, each with its first token.
  std::vector<std::vector<std::int64_t>> held_text;
};

struct StatisticsOptions {
  std::vector<int> layers;                    // all are filled in one pass
  std::vector<std::filesystem::path> corpus;  // text files; empty: the model writes the text itself
  std::int64_t tokens = 0;                    // keys to sum; 0: 10 * d_ff
  std::vector<std::int64_t> prefix;           // ids that begin every text (the BOS choice); may be empty
  std::uint64_t seed = 0;
  std::int64_t token_budget = 4096;
};

// One pass over the text, stopped inside the last layer asked for. `self`: 64 texts grow side by side, sampled at
// temperature 1 from a start token (the prefix, else the tokenizer's BOS-like token, see start_token); a new text after EOS or at 256
// tokens; keys are summed while generating. Sums: float32 products of fixed blocks of 1024 keys, added in float64,
// so the result depends on neither batch nor thread count beyond rounding.
// Throws Error(kConfig): a layer out of range, a corpus with fewer keys than d_ff; kIo: a file that cannot be read.
Statistics collect_statistics(const Model& model, const StatisticsOptions& options, Progress& progress);

// The token from which text is sampled: the prefix's last id, else <|endoftext|>-like token, else BOS, else EOS.
std::int64_t start_token(const Model& model, const std::vector<std::int64_t>& prefix);

// One file a layer, layer_<l>.safetensors, with tensor model.layers.<l>.C; held text in held_text.safetensors (docs/formats.md).
void save_statistics(const Statistics& statistics, const Model& model, const std::vector<std::int64_t>& prefix,
                     const std::filesystem::path& folder);

// The layers asked for, or nothing at all (empty map) when one of their files is absent. Throws Error(kModel) when a file is
// of another model, tokenizer or BOS (the reason is named), Error(kFormat) when it is broken.
Statistics load_statistics(const Model& model, const std::vector<int>& layers, const std::vector<std::int64_t>& prefix,
                           const std::filesystem::path& folder);

// Where statistics lie when nobody says: stats/<name>-<fingerprint>[-bos-<ids>] beside the model.
std::filesystem::path default_statistics_folder(const Model& model, const std::vector<std::int64_t>& prefix);

}  // namespace emend
