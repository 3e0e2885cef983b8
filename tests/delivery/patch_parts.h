// The metadata and tensors of a patch file, so that a test can change one and write the file again.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "delivery/patch_digest.h"
#include "emend/tensor_file.h"

namespace emend {

struct Parts {
  struct Tensor {
    std::string dtype;
    std::vector<std::int64_t> shape;
    std::vector<std::byte> bytes;
  };
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;
};

inline Parts read_parts(const std::filesystem::path& path) {
  const auto file = open_safetensors(path);
  Parts parts;
  parts.metadata = file->metadata();
  for (const TensorInfo& info : file->tensors()) {
    const auto bytes = file->bytes(info);
    parts.tensors[info.name] = {std::string(info.type->name), info.shape, {bytes.begin(), bytes.end()}};
  }
  return parts;
}

inline std::vector<TensorToWrite> tensors_of(const Parts& parts) {
  std::vector<TensorToWrite> tensors;
  for (const auto& [name, tensor] : parts.tensors)
    tensors.push_back({name, tensor.dtype, tensor.shape, tensor.bytes});
  return tensors;
}

inline void write_parts(const Parts& parts, const std::filesystem::path& path) {
  write_safetensors(path, tensors_of(parts), parts.metadata);
}

// With the digest of what the parts are now, so that the guards behind the digest are asked.
inline void write_sealed(Parts parts, const std::filesystem::path& path) {
  parts.metadata[kDigestKey] = patch_digest(parts.metadata, tensors_of(parts));
  write_parts(parts, path);
}

}  // namespace emend
