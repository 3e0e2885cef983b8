// A fact as one token row: prompt, subject's tokens, answer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "analysis/prompt_rows.h"
#include "emend/locate.h"

namespace emend::trace {

struct TracedPrompt {
  TokenIds ids;             // prefix + prompt + answer without its last token
  std::int64_t prompt = 0;  // tokens of prefix and prompt
  std::int64_t subject_begin = 0, subject_end = 0;
  TokenIds answer;

  std::int64_t size() const { return static_cast<std::int64_t>(ids.size()); }
  std::int64_t answer_tokens() const { return static_cast<std::int64_t>(answer.size()); }
  TokenIds subject() const { return {ids.begin() + subject_begin, ids.begin() + subject_end}; }
};

// The prompt alone, `answer` empty. Throws Error(kConfig) for a prompt of fewer than two tokens of its own.
TracedPrompt prompt_row(const Model& model, const TraceFact& fact, const TraceOptions& options);

// The row with an answer behind it.
TracedPrompt with_answer(TracedPrompt row, TokenIds answer);

// The ids of the expected answer; without one, the likeliest next token's. Throws Error(kConfig) for an
// answer without tokens.
TokenIds answer_ids(const Model& model, const TraceFact& fact, const TraceOptions& options,
                    const TracedPrompt& row);
// Ids as text without the space in front.
std::string answer_text(const Tokenizer& tokenizer, const TokenIds& ids);

// What a token stands for; bytes that are no whole character as \xNN.
std::string token_text(const Tokenizer& tokenizer, std::int64_t id);

}  // namespace emend::trace
