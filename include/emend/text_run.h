// A run over text: which text an analysis reads, in which blocks, and which process reads which of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "emend/model.h"

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
// tokenizer's <|endoftext|>, <|begin_of_text|>, <s>, BOS or EOS, the first that exists; 0 without a tokenizer.
// Throws Error(kModel) if the tokenizer has none of them.
std::int64_t start_token(const Model& model, const std::vector<std::int64_t>& prefix);

// The processes of one run that share its blocks: process r of n is shard r of n. Every process makes the
// same calls in the same order.
class ShardGroup {
 public:
  virtual ~ShardGroup() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  // Adds the numbers of all processes, element by element, into those of rank 0.
  virtual void sum_to_first(double* numbers, std::int64_t count) = 0;
  // Rank 0 gets the numbers of all processes, one process after another. Other ranks must not use the result.
  virtual std::vector<std::uint64_t> gather_to_first(const std::vector<std::uint64_t>& numbers) = 0;
  // Returns once all processes have called it.
  virtual void wait_for_all() = 0;
};

}  // namespace emend
