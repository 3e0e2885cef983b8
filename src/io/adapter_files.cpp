#include "io/adapter_files.h"

#include <fmt/format.h>

#include "base/json.h"
#include "base/strings.h"
#include "emend/error.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPeftConfig = "adapter_config.json";

std::string text_of(const TensorFile& file, const std::string& key) {
  const auto found = file.gguf_metadata().find(key);
  const auto* text = found == file.gguf_metadata().end() ? nullptr : std::get_if<std::string>(&found->second);
  return text == nullptr ? "" : *text;
}

// Where the config names no base, or cannot be read, the folder is an adapter all the same.
std::string peft_base(const fs::path& folder) {
  try {
    const Json document = read_json_file(folder / kPeftConfig);
    const auto base = JsonView(document, kPeftConfig).find("base_model_name_or_path");
    return base && base->is_string() ? base->as_string() : "";
  } catch (const Error&) {
    return "";
  }
}

}  // namespace

bool is_peft_adapter(const fs::path& folder) {
  std::error_code failed;
  return fs::exists(folder / kPeftConfig, failed) && !fs::exists(folder / "config.json", failed);
}

void refuse_peft_adapter(const fs::path& folder) {
  const std::string base = peft_base(folder);
  throw Error(
      ErrorKind::kModel,
      fmt::format(
          "{}: this is an adapter ({}) of {}, no model; give the base model, or merge the two with PEFT "
          "(merge_and_unload, save_pretrained) and give the result",
          folder.empty() ? "." : folder.string(), kPeftConfig,
          base.empty() ? "a base that it does not name" : quote(base)));
}

void require_gguf_model(const TensorFile& file) {
  const std::string type = text_of(file, "general.type");
  if (type.empty() || type == "model") return;
  const std::string where = file.path().string();
  if (type == "adapter") {
    std::string base = text_of(file, "general.base_model.0.name");
    if (base.empty()) base = "a model of the architecture " + text_of(file, "general.architecture");
    const std::string kind = text_of(file, "adapter.type") == "lora" ? "LoRA adapter" : "adapter";
    throw Error(
        ErrorKind::kModel,
        fmt::format("{}: this is a {} (general.type is adapter) for {}, no model; give the base model, or "
                    "merge the two with llama.cpp (llama-export-lora) and give the result",
                    where, kind, base));
  }
  if (type == "mmproj" || type == "imatrix")
    throw Error(
        ErrorKind::kModel,
        fmt::format("{}: this is {} (general.type is {}), no model; give the file of the language model",
                    where, type == "mmproj" ? "the vision or audio part of a model" : "an importance matrix",
                    type));
}

}  // namespace emend
