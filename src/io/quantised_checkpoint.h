// Safetensors checkpoints whose weights are stored as codes and scales in tensors of their own: fp8 blocks,
// compressed-tensors, GPTQ, AWQ, bitsandbytes and others. Openers of models refuse them by name.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "emend/tensor_file.h"

namespace emend {

struct QuantisedLayout {
  std::string name;      // "GPTQ", "fp8 in blocks"
  std::string evidence;  // what says so: "config.json names quant_method \"gptq\"", "tensor X"
  // Whether only config.json says so, and all tensors are stored as plain floats.
  bool only_in_config = false;
};

// What config.json ("quantization_config" or "compression_config", also of its "text_config"),
// hf_quant_config.json or the endings of the tensors' names say. `folder` holds config.json. std::nullopt if
// nothing says so, and for GGUF, whose types are read one by one. Throws Error(kFormat) if config.json is no
// JSON.
std::optional<QuantisedLayout> find_quantised_layout(const TensorFile& file,
                                                     const std::filesystem::path& folder);

// "the weights are quantised as GPTQ (...), which emend does not read; ...": the reason and what works
// instead, without the path.
std::string quantised_layout_text(const QuantisedLayout& layout);

// Throws Error(kModel) with the path and that text for such a checkpoint.
void require_plain_weights(const TensorFile& file, const std::filesystem::path& folder);

}  // namespace emend
