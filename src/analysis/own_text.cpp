#include "analysis/own_text.h"

#include "emend/error.h"

namespace emend {

std::int64_t start_token(const Model& model, const std::vector<std::int64_t>& prefix) {
  if (!prefix.empty()) return prefix.back();
  if (!model.has_tokenizer()) return 0;
  const Tokenizer& tokenizer = model.tokenizer();
  for (const char* name : {"<|endoftext|>", "<|begin_of_text|>", "<s>"})
    if (const auto id = tokenizer.find(name)) return *id;
  if (const auto id = tokenizer.bos()) return *id;
  if (const auto id = tokenizer.eos()) return *id;
  throw Error(ErrorKind::kModel,
              "the tokenizer names no token that a text could start from; give --bos TOKEN or --corpus");
}

TokenIds opening_of_text(const Model& model, const TokenIds& prefix) {
  return prefix.empty() ? TokenIds{start_token(model, prefix)} : prefix;
}

}  // namespace emend
