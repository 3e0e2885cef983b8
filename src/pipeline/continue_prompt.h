// The steps of run_prompt (emend/generate_run.h); the C interface takes those that it needs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emend/generate_run.h"

namespace emend {

// "<50300>" for an id that the embedding table has and the tokenizer does not have.
std::string token_text(const Tokenizer& tokenizer, std::int64_t id);

// Throws Error(kUsage) naming the option that is out of range.
void check_prompt_options(const PromptOptions& options);

// The prompt's ids. Throws Error(kUsage) when there are none, and what the tokenizer and a chat template
// refuse.
TokenIds prompt_tokens(const Model& model, const std::string& prompt, const PromptOptions& options);

// How many tokens may follow a prompt of so many, at most `wanted`. A prompt that leaves no room: 1; the
// model tells.
std::int64_t tokens_that_fit(const Model& model, std::size_t prompt, std::int64_t wanted);

// What follows the prompt, until an end-of-text token.
TokenIds continue_prompt(const Model& model, const TokenIds& prompt, const PromptOptions& options);

// Without special tokens, and without ids that the embedding table has and the tokenizer does not have.
std::string completion_text(const Tokenizer& tokenizer, const TokenIds& ids);

}  // namespace emend
