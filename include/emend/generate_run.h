// Text from one prompt, as `emend generate` gives it: the prompt's tokens, what follows, and the likeliest
// next tokens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

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
  std::int64_t top = 0;  // how many of the likeliest next tokens to list; 0: none
};

struct NextToken {
  std::int64_t id = 0;
  std::string text;  // "<50300>" for an id that the embedding table has and the tokenizer does not have
  double logprob = 0;
};
struct PromptOutcome {
  std::vector<std::int64_t> prompt, completion;  // ids
  std::vector<std::string> pieces;               // the prompt's tokens
  std::string text;                              // of the completion, without special tokens
  std::vector<NextToken> top;                    // likeliest first
  std::int64_t max_new = 0;  // the limit that was in force: less than asked for where the positions end
  bool ended = false;        // the model ended its text itself, by a token that ends texts, within max_new
};
// Throws Error(kUsage) naming the option that is out of range, or if the prompt has no tokens; and what the
// tokenizer and a chat template refuse.
PromptOutcome run_prompt(const Model& model, const std::string& prompt, const PromptOptions& options);

}  // namespace emend
