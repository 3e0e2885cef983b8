// The files that lie beside a checkpoint's tensors.
#pragma once

#include <string>
#include <vector>

namespace emend {

// The tensors of a folder of safetensors: one file, or an index that names its shards.
inline constexpr const char* kSingleFile = "model.safetensors";
inline constexpr const char* kIndexFile = "model.safetensors.index.json";

// What Model::load and other programs read of a checkpoint's folder beside the tensors, by path inside it.
const std::vector<std::string>& companion_names();

}  // namespace emend
