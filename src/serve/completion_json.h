// A completion as OpenAI writes it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "serve/completion.h"

namespace emend {

// Who answered, and when.
struct CompletionLabel {
  std::string id;            // "cmpl-12"
  std::string model;         // the name that was asked for
  std::int64_t created = 0;  // seconds since 1970
};

// "choices" are in the order of the completions. "logprobs" lists the prompt's tokens (with echo), then every
// token that was drawn, an ending one among them: with echo and max_tokens 1 exactly one more than the
// prompt has. A token that is a part of a character is written "bytes:\xE2\x80". "text_offset" counts
// characters of "text".
ResultJson completion_json(const CompletionRequest& request, const std::vector<Completion>& completions,
                           const Tokenizer& tokenizer, const CompletionLabel& label);

}  // namespace emend
