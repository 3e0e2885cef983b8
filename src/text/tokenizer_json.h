// The tokenizer's files of a checkpoint folder into the parts of a tokenizer. All functions throw
// Error(kFormat) naming file and field.
#pragma once

#include <memory>

#include "base/json.h"
#include "emend/tokenizer.h"
#include "text/pipeline_tokenizer.h"
#include "text/special_tokens.h"

namespace emend::text {

// tokenizer.json where it is there, else vocab.json with merges.txt, and what the files beside them say.
TokenizerParts read_tokenizer_json(const TokenizerJson& source);

// vocab.json and merges.txt (slow_tokenizer.cpp).
TokenizerParts read_vocab_and_merges(const TokenizerJson& source);

// The special tokens of all files, BOS, EOS and the chat template. `tokens` holds those of tokenizer.json.
void read_files_beside(const TokenizerJson& source, const NamedDefaults& defaults, AddedTokenList tokens,
                       TokenizerParts& parts);

}  // namespace emend::text
