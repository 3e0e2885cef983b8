// Text from one prompt, as `emend generate` and the C interface give it.
#pragma once

#include <cstdint>
#include <string>

#include "emend/generate.h"
#include "emend/model.h"
#include "emend/records.h"

namespace emend {

struct PromptOptions {
  std::string bos = "auto";  // auto, none or a token
  PromptForm form = PromptForm::kRaw;
  std::int64_t max_new = 20;  // tokens at most, 1 to 1,000,000; cut to what the model's positions hold
  double temperature = 0;     // 0 to 100
  std::uint64_t seed = 0;
  std::int64_t token_budget = 4096;
  Progress* progress = nullptr;
};

// Throws Error(kUsage) naming the option that is out of range.
void check_prompt_options(const PromptOptions& options);

// The prompt's ids. Throws Error(kUsage) when there are none, and what the tokenizer and a chat template refuse.
TokenIds prompt_tokens(const Model& model, const std::string& prompt, const PromptOptions& options);

// How many tokens may follow a prompt of so many, at most `wanted`. A prompt that leaves no room: 1; the model
// tells.
std::int64_t tokens_that_fit(const Model& model, std::size_t prompt, std::int64_t wanted);

// What follows the prompt, until an end-of-text token.
TokenIds continue_prompt(const Model& model, const TokenIds& prompt, const PromptOptions& options);

// Without special tokens, and without ids that the embedding table has and the tokenizer does not have.
std::string completion_text(const Tokenizer& tokenizer, const TokenIds& ids);

}  // namespace emend
