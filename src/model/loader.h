// From checkpoint bytes to weights by role.
#pragma once

#include <cstdint>
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

// What of a checkpoint becomes tensors.
enum class Loading {
  kWeights,
  // Tensors have shapes, but no memory; digests are taken where the file is small (kSmallFileBytes).
  kShapes
};
// All bytes of so small a file are read in an instant.
inline constexpr std::uint64_t kSmallFileBytes = std::uint64_t{512} << 20;

struct LoadingOptions {
  at::TensorOptions tensors;  // type and device of weights
  std::vector<at::Device> devices;
  int threads = 1;
  Loading loading = Loading::kWeights;
  std::int64_t weight_bytes = 0;  // ModelOptions::weight_bytes
};

// Errors: see Model::load. All missing, unexpected and mis-shaped tensors are listed in one message.
LoadedModel load_checkpoint(const std::filesystem::path& path, const LoadingOptions& options,
                            Progress& progress);

}  // namespace emend
