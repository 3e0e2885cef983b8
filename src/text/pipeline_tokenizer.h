// The tokenizer that all readers (tokenizer.json, vocab.json with merges.txt, GGUF) build: added tokens,
// normalizer, pre-tokenizer, model, and the way back.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "emend/tokenizer.h"
#include "text/added_tokens.h"
#include "text/decoder.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"
#include "text/token_model.h"
#include "text/vocabulary.h"

namespace emend::text {

// Ids that a post-processor puts around a text.
struct AutomaticTokens {
  std::vector<std::int64_t> prefix;
  std::vector<std::int64_t> suffix;
};

struct TokenizerParts {
  std::unique_ptr<Vocabulary> vocabulary;
  std::unique_ptr<TokenModel> model;  // of this vocabulary
  std::vector<AddedToken> added_tokens;
  std::unique_ptr<Normalizer> normalizer;       // null: none
  std::unique_ptr<PreTokenizer> pre_tokenizer;  // null: none
  std::optional<Decoder> decoder;               // none: the vocabulary's bytes are the text
  AutomaticTokens automatic;
  std::optional<std::int64_t> bos, eos;
  std::vector<std::pair<std::string, std::string>> named_special_tokens;  // {"pad_token", "<pad>"}, ...
  std::string chat_template;
  std::vector<std::string> warnings;
};

std::unique_ptr<Tokenizer> make_pipeline_tokenizer(TokenizerParts parts);

}  // namespace emend::text
