#include "memories/prompt_words.h"

#include <fmt/format.h>

#include "analysis/prompt_rows.h"
#include "base/strings.h"
#include "emend/error.h"

namespace emend {

TokenIds ids_of_prompt(const Model& model, const std::string& prompt, const std::string& bos,
                       const std::string& what) {
  const Tokenizer& tokenizer = model.tokenizer();
  TokenIds ids =
      prompt_ids(tokenizer, prompt, {row_prefix(tokenizer, bos, PromptForm::kRaw), PromptForm::kRaw});
  if (ids.empty())
    throw Error(ErrorKind::kUsage, what + " is empty, and the model begins with no token of its own");
  return ids;
}

std::int64_t first_token_of(const Model& model, const std::string& word, const std::string& what) {
  const std::vector<std::int64_t> ids = encode_next_words(model.tokenizer(), std::string(trim(word)));
  if (ids.empty()) throw Error(ErrorKind::kUsage, fmt::format("{}: {} has no tokens", what, quote(word)));
  return ids.front();
}

bool has_several_tokens(const Model& model, const std::string& word) {
  return encode_next_words(model.tokenizer(), std::string(trim(word))).size() > 1;
}

std::int64_t likeliest_token(const Model& model, const TokenIds& ids) {
  return next_tokens(model, {ids}, 1)[0][0].id;
}

}  // namespace emend
