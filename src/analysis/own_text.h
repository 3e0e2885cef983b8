// Text that the model writes itself: how it begins, and 64 texts that grow side by side as a source.
#pragma once

#include <cstdint>
#include <memory>

#include "analysis/text_source.h"
#include "emend/generate.h"
#include "emend/model.h"

namespace emend {

inline constexpr std::int64_t kOwnTextRows = 64;     // texts that grow side by side
inline constexpr std::int64_t kOwnTextLength = 256;  // tokens at most: bounds the cache of all texts

// The prefix (the BOS choice); the start token alone if the prefix is empty. Never empty. Throws as
// start_token does.
TokenIds opening_of_text(const Model& model, const TokenIds& prefix);

// options.tokens tokens in blocks of options.block_tokens, which must be settled (text_options.h). Each text
// is sampled at temperature 1; after EOS or at 256 tokens a new one begins in its place.
std::unique_ptr<TextSource> make_own_text(const Model& model, const TextOptions& options);

}  // namespace emend
