// Special and added tokens that a checkpoint folder names outside tokenizer.json: in tokenizer_config.json,
// special_tokens_map.json and added_tokens.json. Which file wins, which flags a token gets and in which order
// new ids are given is that of transformers 5 (PreTrainedTokenizerFast.from_pretrained):
//   - "added_tokens_decoder" of tokenizer_config.json, where it is present, is the whole list: the other two
//     files are then not read. Its ids only give the order.
//   - Otherwise special_tokens_map.json wins over tokenizer_config.json, and added_tokens.json adds its
//   tokens.
//   - Last come the named tokens ("bos_token", "pad_token", ...), then "extra_special_tokens" (or its old
//   name
//     "additional_special_tokens"), where no file has listed them yet.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "emend/tokenizer.h"
#include "text/added_tokens.h"

namespace emend::text {

// What a tokenizer class calls its special tokens where no file does: {"bos_token", "<|endoftext|>"}, ...
using NamedDefaults = std::vector<std::pair<std::string, std::string>>;

struct NamedTokens {
  std::optional<std::string> bos, eos;  // their contents
  // What transformers gives to a chat template as variables: {"bos_token", "<s>"}, ...
  std::vector<std::pair<std::string, std::string>> contents;
};

// One entry of "added_tokens" in tokenizer.json or of "added_tokens_decoder"; its id is not read.
AddedToken read_added_token(const JsonView& entry);

// Adds to `tokens`, which holds those of tokenizer.json. Throws Error(kFormat) naming file and field.
NamedTokens read_special_tokens(const TokenizerJson& source, const NamedDefaults& defaults,
                                AddedTokenList& tokens);

// The path of a file in the folder of the tokenizer, for messages.
std::string path_beside(const TokenizerJson& source, const std::string& name);

}  // namespace emend::text
