#include "model/checkpoint_tokenizer.h"

#include <fmt/format.h>

#include "base/files.h"
#include "emend/error.h"
#include "io/gguf_header.h"
#include "model/checkpoint_outline.h"

namespace emend {

namespace {

namespace fs = std::filesystem;

// What a GGUF file says of its tokenizer; none where it has none. Throws Error(kFormat) for a key of another
// type than it should have.
std::optional<TokenizerGguf> gguf_tokenizer_source(const TensorFile& file) {
  const auto& metadata = file.gguf_metadata();
  const auto get = [&]<typename T>(const std::string& key, T& out) {
    const auto it = metadata.find("tokenizer." + key);
    if (it == metadata.end()) return;
    if (const T* value = std::get_if<T>(&it->second))
      out = *value;
    else
      throw Error(ErrorKind::kFormat, fmt::format("{}: tokenizer.{} is of another type than expected",
                                                  file.path().string(), key));
  };
  const auto get_optional = [&]<typename T>(const std::string& key, std::optional<T>& out) {
    if (!metadata.contains("tokenizer." + key)) return;
    T value{};
    get(key, value);
    out = value;
  };
  if (!metadata.contains("tokenizer.ggml.model")) return std::nullopt;
  TokenizerGguf source;
  get("ggml.model", source.model);
  if (source.model == "none" || source.model == "no_vocab") return std::nullopt;  // as llama.cpp has it
  get("ggml.pre", source.pre);
  get("ggml.tokens", source.tokens);
  get("ggml.token_type", source.token_type);
  get("ggml.merges", source.merges);
  get("ggml.scores", source.scores);
  get_optional("ggml.bos_token_id", source.bos_id);
  get_optional("ggml.eos_token_id", source.eos_id);
  get_optional("ggml.unknown_token_id", source.unknown_id);
  get_optional("ggml.add_bos_token", source.add_bos);
  get_optional("ggml.add_eos_token", source.add_eos);
  get_optional("ggml.add_space_prefix", source.add_space_prefix);
  get("chat_template", source.chat_template);
  get("huggingface.json", source.huggingface_json);
  source.where = file.path().string();
  return source;
}

}  // namespace

std::optional<text::TokenizerFiles> gguf_tokenizer_files(const TensorFile& file) {
  const std::optional<TokenizerGguf> source = gguf_tokenizer_source(file);
  if (!source) return std::nullopt;
  return text::tokenizer_files_of(*source);
}

std::unique_ptr<Tokenizer> folder_tokenizer(const fs::path& folder, const std::string& model_type) {
  const auto text_of = [&](const char* name) {
    return fs::exists(folder / name) ? read_text_file(folder / name) : std::string();
  };
  TokenizerJson source;
  source.tokenizer_json = text_of("tokenizer.json");
  source.where = (folder / "tokenizer.json").string();
  if (source.tokenizer_json.empty()) {
    source.vocab_json = text_of("vocab.json");
    source.merges_txt = text_of("merges.txt");
    source.where = (folder / "vocab.json").string();
    if (source.vocab_json.empty()) return nullptr;
  }
  source.tokenizer_config_json = text_of("tokenizer_config.json");
  source.chat_template_jinja = text_of("additional_chat_templates/default.jinja");
  if (source.chat_template_jinja.empty()) source.chat_template_jinja = text_of("chat_template.jinja");
  source.special_tokens_map_json = text_of("special_tokens_map.json");
  source.added_tokens_json = text_of("added_tokens.json");
  source.model_type = model_type;
  return make_tokenizer(source);
}

std::unique_ptr<Tokenizer> read_tokenizer(const TensorFile& file, const ConfigValues& values,
                                          const fs::path& path) {
  if (file.format() == TensorFile::Format::kGguf) {
    const std::optional<TokenizerGguf> source = gguf_tokenizer_source(file);
    return source ? make_tokenizer(*source) : nullptr;
  }
  return folder_tokenizer(checkpoint_folder(path), values.text({"model_type", ""}, ""));
}

std::string no_tokenizer_text(const std::filesystem::path& path) {
  if (path.empty()) return "a model made in memory has no tokenizer; put tokenizer.json beside its weights";
  // A model may be asked when its file is gone; then the name has to do.
  if (is_gguf_file(path) || (!std::filesystem::exists(path) && path.extension() == ".gguf"))
    return path.string() +
           " has no tokenizer: a GGUF file holds it in keys \"tokenizer.ggml.*\", which are missing or "
           "name none; convert the model again with its tokenizer";
  return path.string() + " has no tokenizer; put tokenizer.json beside its weights";
}

}  // namespace emend
