// Checkpoints of tests/data/parity, copied to a temporary folder to be changed or broken.
#pragma once

#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/temp_folder.h"
#include "emend/tensor_file.h"
#include "support/model_files.h"

namespace emend::test {

// A tensor as bytes that a test may change.
struct StoredTensor {
  std::string dtype_name;
  std::vector<std::int64_t> shape;
  std::string bytes;
};

class CheckpointCopy {
 public:
  // `name`: a folder of tests/data/parity with one safetensors file.
  explicit CheckpointCopy(const std::string& name) {
    config = nlohmann::json::parse(read_all(data_path("parity/" + name + "/config.json")));
    const auto file = open_safetensors(data_path("parity/" + name + "/model.safetensors"));
    for (const TensorInfo& info : file->tensors()) {
      const auto bytes = file->bytes(info);
      tensors[info.name] = {std::string(info.type->name),
                            info.shape,
                            {reinterpret_cast<const char*>(bytes.data()), bytes.size()}};
    }
  }

  // Writes config and tensors as they are now; returns the folder.
  std::filesystem::path write() const {
    folder_.write("config.json", config.dump());
    std::vector<TensorToWrite> list;
    for (const auto& [name, tensor] : tensors)
      list.push_back({name, tensor.dtype_name, tensor.shape, std::as_bytes(std::span(tensor.bytes))});
    write_safetensors(folder_ / "model.safetensors", list, {});
    return folder_.path();
  }

  const TempFolder& folder() const { return folder_; }

  nlohmann::json config;
  std::map<std::string, StoredTensor> tensors;

 private:
  TempFolder folder_;
};

}  // namespace emend::test
