// Tensors in file order, found by name.
#pragma once

#include <string_view>
#include <unordered_map>
#include <vector>

#include "emend/tensor_file.h"

namespace emend {

// Names must be unique; the readers see to that. Move-only, since the index looks into the names.
class TensorList {
 public:
  explicit TensorList(std::vector<TensorInfo> tensors);
  TensorList(TensorList&&) noexcept = default;
  TensorList& operator=(TensorList&&) noexcept = default;

  const std::vector<TensorInfo>& all() const { return tensors_; }
  // nullptr when there is none of that name.
  const TensorInfo* find(std::string_view name) const;

 private:
  std::vector<TensorInfo> tensors_;
  std::unordered_map<std::string_view, std::size_t> index_;
};

}  // namespace emend
