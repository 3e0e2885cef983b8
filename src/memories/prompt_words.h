// Prompts and words of a question about a model, as tokens.
#pragma once

#include <cstdint>
#include <string>

#include "emend/generate.h"
#include "emend/model.h"

namespace emend {

// A prompt behind the tokens that begin every text ("auto", "none" or a token). `what` names it in messages:
// "the option prompt". Throws Error(kUsage) where nothing is there to run.
TokenIds ids_of_prompt(const Model& model, const std::string& prompt, const std::string& bos,
                       const std::string& what);

// The first token of a word as it goes on behind a prompt: " Paris" and "Paris" are the same. Throws
// Error(kUsage) for a word without tokens.
std::int64_t first_token_of(const Model& model, const std::string& word, const std::string& what);

// Whether tokens follow that first one in the word.
bool has_several_tokens(const Model& model, const std::string& word);

// The likeliest next token.
std::int64_t likeliest_token(const Model& model, const TokenIds& ids);

}  // namespace emend
