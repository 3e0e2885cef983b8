// The one TensorFile behind all openers.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "emend/tensor_file.h"
#include "io/mapped_file.h"

namespace emend {

// By path, as TensorInfo::file spells it.
using Mappings = std::map<std::filesystem::path, MappedFile>;

struct CheckpointParts {
  TensorFile::Format format;
  std::filesystem::path path;
  std::vector<TensorInfo> tensors;  // checked against their mapping's length
  std::shared_ptr<const Mappings> mappings;
  std::map<std::string, std::string> metadata;
  std::map<std::string, GgufValue> gguf_metadata;
};

std::unique_ptr<TensorFile> make_mapped_checkpoint(CheckpointParts parts);

}  // namespace emend
