// A run over text: which text an analysis reads, in which blocks, and which process reads which of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "emend/model.h"
#include "emend/shard_group.h"

namespace emend {

struct TextOptions {
  // Files and folders: plain text (documents end at empty lines), .jsonl and .ndjson, also as .gz or .zst.
  // Empty: the model writes the text itself.
  std::vector<std::filesystem::path> corpus;
  std::string text_field = "text";   // of JSON lines
  std::int64_t tokens = 0;           // to read, without those at position 0; kAllTokens: the whole corpus
  std::vector<std::int64_t> prefix;  // ids that begin every text (the BOS choice); may be empty
  std::uint64_t seed = 0;            // of the sample of documents, or of the model's own text
  std::int64_t window = 512;         // tokens of a row at most; longer documents are cut
  // Tokens of a block; 0: 8192 of given text (a sixteenth of it where that is more), 16384 of own text.
  std::int64_t block_tokens = 0;
  std::int64_t token_budget = 4096;  // tokens of one pass
  int shard = 0, shards = 1;         // only the blocks b with b % shards == shard
};
inline constexpr std::int64_t kAllTokens = -1;

// The token from which the model's own text is sampled: the last id of the prefix; without a prefix the
// tokenizer's <|endoftext|>, <|begin_of_text|>, <s>, BOS or EOS, the first that exists; 0 without a
// tokenizer. Throws Error(kModel) if the tokenizer has none of them.
std::int64_t start_token(const Model& model, const std::vector<std::int64_t>& prefix);

}  // namespace emend
