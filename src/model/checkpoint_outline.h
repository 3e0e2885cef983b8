// What a checkpoint is, from its headers alone: its family, its shape, and which tensor fills which weight.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "emend/model.h"
#include "emend/tensor_file.h"
#include "model/families/family.h"

namespace emend {

// One tensor of the file and the weight that it fills.
struct Assignment {
  RoleEntry entry;  // without its digest
  const TensorInfo* tensor;
  StoredForm form;
  std::int64_t row;  // of the weight that it fills; -1: all of it
};

struct CheckpointOutline {
  std::shared_ptr<const TensorFile> file;
  ConfigValues values;
  const Family* family = nullptr;
  ModelConfig config;
  std::vector<Assignment> assignments;    // point into `file`
  std::vector<const TensorInfo*> unread;  // tensors that play no role, in file order
};

// The folder that holds config.json and the tokenizer of this checkpoint.
std::filesystem::path checkpoint_folder(const std::filesystem::path& path);

// The settings of an open checkpoint: GGUF metadata, or config.json beside the tensors. Throws Error(kModel)
// for files that go with a model and are none.
ConfigValues checkpoint_values(const TensorFile& file, const std::filesystem::path& path);

// Loads no weights; only where a tied head is stored too, the two are compared. Errors: see Model::load. All
// missing, unexpected and mis-shaped tensors are listed in one message; quantised checkpoints that are not
// read are refused by name.
CheckpointOutline read_outline(const std::filesystem::path& path);

// The same of tensors that are open already, with these settings.
CheckpointOutline outline_of(std::shared_ptr<const TensorFile> tensors, ConfigValues values);

}  // namespace emend
