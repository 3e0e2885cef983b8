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

struct ModelSummary {
  // Parameters by the part of the model that they belong to, in the order of the forward pass.
  std::vector<std::pair<std::string, std::int64_t>> parts;
  std::int64_t parameters = 0;              // of all parts
  std::map<std::string, int> stored_types;  // how many tensors have each type in the file
  std::optional<TokenizerSummary> tokenizer;
};
ModelSummary summarize_model(const Model& model);

// Throws Error(kModel) if the tokenizer does not give texts back as they were, or has ids for which the
// embedding has no row. Returns false if there is no tokenizer.
bool check_tokenizer(const Model& model);

}  // namespace emend
