// From checkpoint bytes to weights by role.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "emend/model.h"
#include "emend/tensor_file.h"

namespace emend {

struct LoadedModel {
  ModelConfig config;
  ModelWeights weights;
  std::vector<RoleEntry> roles;
  std::unique_ptr<Tokenizer> tokenizer;  // null when a safetensors folder has no tokenizer.json
};

// Errors: see Model::load. All missing, unexpected and mis-shaped tensors are listed in one message.
LoadedModel load_checkpoint(const std::filesystem::path& path, const at::TensorOptions& options,
                            const std::vector<at::Device>& devices, int threads, Progress& progress);

}  // namespace emend
