// Files that go with a model and are none: adapters of PEFT and of llama.cpp, vision parts, importance
// matrices. Openers of models refuse them by name.
#pragma once

#include <filesystem>

#include "emend/tensor_file.h"

namespace emend {

// A folder of PEFT: it has adapter_config.json and no config.json.
bool is_peft_adapter(const std::filesystem::path& folder);

// Throws Error(kModel) for such a folder: its base, and what to do instead.
[[noreturn]] void refuse_peft_adapter(const std::filesystem::path& folder);

// Throws Error(kModel) if the key "general.type" of a GGUF file names something else than a model.
void require_gguf_model(const TensorFile& file);

}  // namespace emend
