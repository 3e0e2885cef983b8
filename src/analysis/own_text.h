// Text that the model writes itself: how it begins, and texts that grow side by side as a source.
#pragma once

#include <cstdint>
#include <memory>

#include "analysis/text_source.h"
#include "emend/generate.h"
#include "emend/model.h"

namespace emend {

inline constexpr std::int64_t kOwnTextKeys = 5;       // keys a dimension, where no number is given
inline constexpr std::int64_t kFairLength = 48;       // a text of fewer tokens is short
inline constexpr std::int64_t kOwnTextBlock = 16384;  // tokens of a block where no size is given

// How many texts of a block grow side by side, and to how many tokens each at most.
struct OwnTextShape {
  std::int64_t rows, length;
};
// 64 texts, 128 or 256 if each of them still gets about 48 tokens of the block; a text has 256 tokens at
// most, and no more than the model turns alike (RotaryTable::long_from). `opening`: tokens that begin a text.
OwnTextShape own_text_shape(const ModelConfig& config, std::int64_t block_tokens, std::int64_t opening = 1);

// own_text_statistics_bytes (emend/memory_estimate.h) where a block holds up to `block_tokens`.
std::int64_t own_text_statistics_bytes(const ModelConfig& config, std::int64_t layers,
                                       std::int64_t block_tokens);

// The prefix (the BOS choice); the start token alone if the prefix is empty. Never empty. Throws as
// start_token does.
TokenIds opening_of_text(const Model& model, const TokenIds& prefix);

// options.tokens tokens in blocks of options.block_tokens, which must be settled (text_options.h). Each text
// is sampled at temperature 1; after EOS or at its full length a new one begins in its place. On the CPU
// groups of texts grow beside each other, each on one thread, so that the text does not depend on the number
// of threads.
std::unique_ptr<TextSource> make_own_text(const Model& model, const TextOptions& options);

// Wall-clock seconds that a token of such a text takes now, without what visitors do with it, from a short
// trial: one step of half-grown texts.
double own_text_seconds_a_token(const Model& model, const TextOptions& options);

}  // namespace emend
