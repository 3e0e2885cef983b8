// The tensors of a patch file, taken out by name and checked.
#pragma once

#include <ATen/ATen.h>

#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "base/strings.h"
#include "delivery/patch_tensors.h"
#include "emend/error.h"
#include "emend/tensor_file.h"
#include "io/element_types.h"

namespace emend {

inline constexpr std::int64_t kAnySize = -1;  // in an expected shape: whatever is there, but not 0

// Takes tensors out of a patch file by name, checks them, and remembers which it took.
class TensorReader {
 public:
  explicit TensorReader(const TensorFile& file) : file_(file) {}

  bool has(const std::string& name) const { return file_.find(name) != nullptr; }

  at::Tensor floats(const std::string& name, const std::vector<std::int64_t>& expected) {
    const TensorInfo& info = find(name, "F32");
    check_shape(info, expected);
    at::Tensor tensor = copy(info, at::kFloat);
    if (!at::isfinite(tensor).all().item<bool>()) fail(name, "it holds a number that is not finite");
    return tensor;
  }

  std::vector<std::vector<std::int64_t>> id_lists(const std::string& list) {
    const std::vector<std::int64_t> ids = integers(patch_tensors::ids(list));
    const std::string lengths_name = patch_tensors::lengths(list);
    std::vector<std::vector<std::int64_t>> rows;
    std::size_t at = 0;
    for (const std::int64_t length : integers(lengths_name)) {
      if (static_cast<std::uint64_t>(length) > ids.size() - at)
        fail(lengths_name, "the lengths exceed the " + std::to_string(ids.size()) + " ids");
      const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(at);
      rows.emplace_back(begin, begin + length);
      at += static_cast<std::size_t>(length);
    }
    if (at != ids.size())
      fail(lengths_name,
           "the lengths are those of " + std::to_string(at) + " ids, not " + std::to_string(ids.size()));
    return rows;
  }

  void refuse_the_rest() const {
    for (const TensorInfo& info : file_.tensors())
      if (!taken_.contains(info.name)) fail(info.name, "a patch has no such tensor");
  }

  [[noreturn]] void fail(const std::string& tensor, const std::string& what) const {
    throw Error(ErrorKind::kFormat, file_.path().string() + ": tensor " + quote(tensor) + ": " + what);
  }

 private:
  const TensorInfo& find(const std::string& name, const std::string& dtype) {
    const TensorInfo* const info = file_.find(name);
    if (info == nullptr)
      throw Error(ErrorKind::kFormat, file_.path().string() + ": the tensor " + quote(name) + " is missing");
    if (info->type->name != dtype)
      fail(name, "expected type " + dtype + ", found " + std::string(info->type->name));
    taken_.insert(name);
    return *info;
  }

  void check_shape(const TensorInfo& info, const std::vector<std::int64_t>& expected) const {
    bool fits = info.shape.size() == expected.size();
    std::vector<std::string> wanted;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      wanted.push_back(expected[i] == kAnySize ? "at least 1" : std::to_string(expected[i]));
      fits = fits && (expected[i] == kAnySize ? info.shape[i] > 0 : info.shape[i] == expected[i]);
    }
    if (!fits) fail(info.name, "expected shape [" + join(wanted) + "], found " + shape_text(info.shape));
  }

  at::Tensor copy(const TensorInfo& info, at::ScalarType type) const {
    at::Tensor tensor = at::empty(info.shape, type);
    const auto bytes = file_.bytes(info);
    if (!bytes.empty()) std::memcpy(tensor.data_ptr(), bytes.data(), bytes.size());
    return tensor;
  }

  std::vector<std::int64_t> integers(const std::string& name) {
    const TensorInfo& info = find(name, "I64");
    if (info.shape.size() != 1)
      fail(name, "expected one dimension, found " + std::to_string(info.shape.size()));
    const at::Tensor tensor = copy(info, at::kLong);
    const auto* const data = tensor.const_data_ptr<std::int64_t>();
    std::vector<std::int64_t> values(data, data + tensor.numel());
    for (const std::int64_t value : values)
      if (value < 0) fail(name, "it holds the negative number " + std::to_string(value));
    return values;
  }

  const TensorFile& file_;
  std::set<std::string> taken_;
};

}  // namespace emend
