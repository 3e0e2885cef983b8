// The tokenizer of a GGUF file as the files that `transformers` reads beside a checkpoint.
#pragma once

#include <string>
#include <vector>

#include "emend/tokenizer.h"

namespace emend::text {

struct TokenizerFiles {
  std::string tokenizer_json;
  std::string tokenizer_config_json;
  // What the files cannot say as GGUF says it, one sentence each.
  std::vector<std::string> warnings;
};

// A tokenizer.json that the GGUF file carries along is passed on as it is. Otherwise it is made: of
// byte-level BPE ("gpt2") with the vocabulary, the merges and the cuts that its pre-tokenizer names; of
// SentencePiece's BPE ("llama") with merges worked out from the scores, the higher score first, as the
// converters of `transformers` do. Where two of its merges have one score, GGUF takes the leftmost one in a
// text and tokenizer.json has no way to say so; a warning then counts texts that come out otherwise. What was
// made is read again and compared. Throws Error(kModel) naming the token or text where the two tokenizers
// differ, and Error(kFormat) as make_tokenizer does.
TokenizerFiles tokenizer_files_of(const TokenizerGguf& source);

}  // namespace emend::text
