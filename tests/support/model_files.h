// Reading fixtures and comparing tensors in tests.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "emend/tensor_file.h"

namespace emend::test {

inline std::string data_path(const std::string& name) {
  return std::string(EMEND_TEST_DATA) + "/" + name;
}

// A tensor of a safetensors file as float32 or int64.
inline at::Tensor read_tensor(const TensorFile& file, const std::string& name) {
  const TensorInfo* info = file.find(name);
  if (!info) throw std::runtime_error("no tensor " + name);
  if (info->type->name == "I64") {
    at::Tensor tensor = at::empty(info->shape, at::kLong);
    std::memcpy(tensor.data_ptr(), file.bytes(*info).data(), info->bytes);
    return tensor;
  }
  at::Tensor tensor = at::empty(info->shape, at::kFloat);
  read_as_float32(file, *info, {tensor.data_ptr<float>(), static_cast<std::size_t>(tensor.numel())});
  return tensor;
}

// Shape and values within `absolute`; the first bad index is named.
inline ::testing::AssertionResult near(const at::Tensor& found, const at::Tensor& wanted, double absolute) {
  if (found.sizes() != wanted.sizes())
    return ::testing::AssertionFailure() << "shapes differ: " << found.sizes() << " and " << wanted.sizes();
  const at::Tensor a = found.to(at::kDouble).cpu().flatten(), b = wanted.to(at::kDouble).cpu().flatten();
  const at::Tensor gap = (a - b).abs();
  if (gap.numel() == 0 || gap.max().item<double>() <= absolute) return ::testing::AssertionSuccess();
  const auto worst = at::argmax(at::nan_to_num(gap, 1e300)).item<std::int64_t>();
  return ::testing::AssertionFailure() << "element " << worst << " is " << a[worst].item<double>()
                                       << ", expected " << b[worst].item<double>() << " within " << absolute;
}

}  // namespace emend::test
