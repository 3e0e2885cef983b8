// The tokenizer that both readers (tokenizer.json, GGUF) build: added tokens, normalizer, pre-tokenizer, BPE
// over bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "emend/tokenizer.h"
#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"
#include "text/vocabulary.h"

namespace emend::text {

// Ids that a post-processor puts around a text.
struct AutomaticTokens {
  std::vector<std::int64_t> prefix;
  std::vector<std::int64_t> suffix;
};

struct TokenizerParts {
  std::unique_ptr<Vocabulary> vocabulary;
  std::vector<Merge> merges;
  WholePieces whole_pieces = WholePieces::kMerge;
  std::vector<AddedToken> added_tokens;
  std::unique_ptr<Normalizer> normalizer;  // null: none
  std::unique_ptr<PreTokenizer> pre_tokenizer;
  AutomaticTokens automatic;
  std::optional<std::int64_t> bos, eos;
  std::vector<std::pair<std::string, std::string>> named_special_tokens;  // {"pad_token", "<pad>"}, ...
  std::string chat_template;
};

std::unique_ptr<Tokenizer> make_byte_level_tokenizer(TokenizerParts parts);

}  // namespace emend::text
