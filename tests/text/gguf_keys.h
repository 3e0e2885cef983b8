// The keys of a GGUF file that say its tokenizer, for tests on real files.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "emend/tensor_file.h"
#include "emend/tokenizer.h"

namespace emend::test {

template <typename T>
std::optional<T> gguf_value(const TensorFile& file, const std::string& key) {
  const auto found = file.gguf_metadata().find(key);
  if (found == file.gguf_metadata().end()) return std::nullopt;
  return std::get<T>(found->second);
}

inline TokenizerGguf tokenizer_keys(const TensorFile& file) {
  const auto text = [&](const char* key) { return gguf_value<std::string>(file, key).value_or(""); };
  const auto texts = [&](const char* key) {
    return gguf_value<std::vector<std::string>>(file, key).value_or(std::vector<std::string>());
  };
  TokenizerGguf source;
  source.model = text("tokenizer.ggml.model");
  source.pre = text("tokenizer.ggml.pre");
  source.tokens = texts("tokenizer.ggml.tokens");
  source.token_type = gguf_value<std::vector<std::int64_t>>(file, "tokenizer.ggml.token_type").value();
  source.merges = texts("tokenizer.ggml.merges");
  source.scores =
      gguf_value<std::vector<double>>(file, "tokenizer.ggml.scores").value_or(std::vector<double>());
  source.bos_id = gguf_value<std::int64_t>(file, "tokenizer.ggml.bos_token_id");
  source.eos_id = gguf_value<std::int64_t>(file, "tokenizer.ggml.eos_token_id");
  source.unknown_id = gguf_value<std::int64_t>(file, "tokenizer.ggml.unknown_token_id");
  source.add_bos = gguf_value<bool>(file, "tokenizer.ggml.add_bos_token");
  source.add_eos = gguf_value<bool>(file, "tokenizer.ggml.add_eos_token");
  source.add_space_prefix = gguf_value<bool>(file, "tokenizer.ggml.add_space_prefix");
  source.chat_template = text("tokenizer.chat_template");
  source.where = file.path().string();
  return source;
}

}  // namespace emend::test
