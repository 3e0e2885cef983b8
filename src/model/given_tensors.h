// Tensors in memory as if they were a safetensors file.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "emend/tensor_file.h"
#include "emend/wrap_model.h"

namespace emend {

class GivenTensors : public TensorFile, public std::enable_shared_from_this<GivenTensors> {
 public:
  // Throws Error(kModel) for two tensors of one name, and for types and devices that differ or that no model
  // computes with.
  GivenTensors(std::vector<GivenTensor> tensors, std::filesystem::path path);

  Format format() const override { return Format::kSafetensors; }
  const std::filesystem::path& path() const override { return path_; }
  const std::vector<TensorInfo>& tensors() const override { return infos_; }
  const TensorInfo* find(std::string_view name) const override;
  // Of a tensor that does not lie in memory as a file would hold it: of a copy, which lives until two more
  // are made.
  std::span<const std::byte> bytes(const TensorInfo& tensor) const override;
  std::shared_ptr<const void> owner() const override { return shared_from_this(); }
  const std::map<std::string, std::string>& metadata() const override { return metadata_; }
  const std::map<std::string, GgufValue>& gguf_metadata() const override { return gguf_metadata_; }

  at::TensorOptions options() const { return options_; }
  at::Tensor tensor(const TensorInfo& info) const;
  // Lets go of a tensor whose numbers were moved.
  void release(const TensorInfo& info);

 private:
  std::filesystem::path path_;
  std::vector<TensorInfo> infos_;
  std::map<std::string, at::Tensor, std::less<>> given_;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, GgufValue> gguf_metadata_;
  at::TensorOptions options_;
  mutable std::vector<at::Tensor> copies_;  // of the last two tensors whose bytes were asked for
};

}  // namespace emend
