// What a model is, in numbers: shape, parameters by part, tokenizer; and whether its tokenizer works.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "emend/model.h"

namespace emend {

struct TokenizerSummary {
  std::int64_t size = 0;
  std::string fingerprint;
  std::optional<std::int64_t> bos, eos;
  std::string bos_name, eos_name;              // empty without one
  std::vector<std::int64_t> automatic_prefix;  // ids, and the tokens that they stand for
  std::vector<std::string> prefix_names;
  std::string chat_template;  // "none", "ChatML" or another kind, or "unusable: ..."
};

TokenizerSummary summarize_tokenizer(const Tokenizer& tokenizer);

struct ModelSummary {
  // Parameters by the part of the model that they belong to, in the order of the forward pass.
  std::vector<std::pair<std::string, std::int64_t>> parts;
  std::int64_t parameters = 0;              // of all parts
  std::map<std::string, int> stored_types;  // how many tensors have each type in the file
  // What the model and its blocks do beyond a plain block, "window 512", one line each; lines of blocks that
  // are alike are one, "blocks 0, 2 to 4: window 512". Empty for GPT-2 and Llama.
  std::vector<std::string> choices;
  // How the value that an edit writes reaches the residual stream.
  std::string value_path;
  std::optional<TokenizerSummary> tokenizer;
};
ModelSummary summarize_model(const Model& model);

// Throws Error(kModel) if decoding the ids of a text does not give the same text. Returns false if there is
// no tokenizer.
bool check_tokenizer(const Model& model);

}  // namespace emend
