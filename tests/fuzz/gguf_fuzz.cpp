// A GGUF file: header, metadata, records, every stored byte, dequantisation; and the tokenizer in its
// metadata.
#include "emend/tokenizer.h"
#include "memory_file.h"
#include "read_tensors.h"
#include "use_tokenizer.h"

namespace emend::fuzz {
namespace {

template <typename Value>
Value value_of(const TensorFile& file, const std::string& key) {
  const auto found = file.gguf_metadata().find("tokenizer.ggml." + key);
  if (found == file.gguf_metadata().end()) return {};
  const Value* const value = std::get_if<Value>(&found->second);
  return value == nullptr ? Value{} : *value;
}

}  // namespace

void read_input(std::string_view input) {
  const MemoryFile bytes(input);
  const auto file = open_gguf(bytes.path());
  read_tensors(*file);
  TokenizerGguf source;
  source.model = value_of<std::string>(*file, "model");
  source.pre = value_of<std::string>(*file, "pre");
  source.tokens = value_of<std::vector<std::string>>(*file, "tokens");
  source.token_type = value_of<std::vector<std::int64_t>>(*file, "token_type");
  source.merges = value_of<std::vector<std::string>>(*file, "merges");
  source.scores = value_of<std::vector<double>>(*file, "scores");
  source.add_space_prefix = value_of<bool>(*file, "add_space_prefix");
  source.bos_id = value_of<std::int64_t>(*file, "bos_token_id");
  source.add_bos = value_of<bool>(*file, "add_bos_token");
  source.where = "input";
  use_tokenizer(*make_tokenizer(source));
}

}  // namespace emend::fuzz
