#include "model/given_tensors.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "emend/error.h"

namespace emend {

namespace {

// nullptr for types that no model computes with.
const ElementType* element_type_of(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return &element_type("F32");
    case at::kBFloat16:
      return &element_type("BF16");
    case at::kHalf:
      return tensor.is_cpu() ? nullptr : &element_type("F16");
    default:
      return nullptr;
  }
}

TensorInfo info_of(const GivenTensor& given, const std::filesystem::path& path) {
  const ElementType* const type = element_type_of(given.tensor);
  if (type == nullptr)
    throw Error(
        ErrorKind::kModel,
        fmt::format("{}: tensor {} is of type {} on {}; a model computes in float32 or bfloat16, and on "
                    "CUDA in float16, too",
                    path.string(), given.name, c10::toString(given.tensor.scalar_type()),
                    given.tensor.device().str()));
  return {given.name, type, given.tensor.sizes().vec(), 0, given.tensor.nbytes(), path};
}

void require_alike(const GivenTensor& first, const GivenTensor& other, const std::filesystem::path& path) {
  if (first.tensor.scalar_type() == other.tensor.scalar_type() &&
      first.tensor.device() == other.tensor.device())
    return;
  throw Error(ErrorKind::kModel,
              fmt::format("{}: tensor {} is of type {} on {}, tensor {} of type {} on {}; all must be alike",
                          path.string(), first.name, c10::toString(first.tensor.scalar_type()),
                          first.tensor.device().str(), other.name, c10::toString(other.tensor.scalar_type()),
                          other.tensor.device().str()));
}

}  // namespace

GivenTensors::GivenTensors(std::vector<GivenTensor> tensors, std::filesystem::path path)
    : path_(std::move(path)) {
  if (tensors.empty()) throw Error(ErrorKind::kModel, path_.string() + ": no tensors were given");
  for (const GivenTensor& given : tensors) {
    infos_.push_back(info_of(given, path_));
    require_alike(tensors.front(), given, path_);
    if (!given_.emplace(given.name, given.tensor).second)
      throw Error(ErrorKind::kModel, fmt::format("{}: two tensors are named {}", path_.string(), given.name));
  }
  options_ = at::TensorOptions(tensors.front().tensor.dtype()).device(tensors.front().tensor.device());
}

const TensorInfo* GivenTensors::find(std::string_view name) const {
  const auto found =
      std::find_if(infos_.begin(), infos_.end(), [&](const TensorInfo& info) { return info.name == name; });
  return found == infos_.end() ? nullptr : &*found;
}

std::span<const std::byte> GivenTensors::bytes(const TensorInfo& info) const {
  at::Tensor stored = tensor(info);
  if (!stored.is_cpu() || !stored.is_contiguous()) {
    constexpr std::size_t kKept = 2;  // two tensors are compared with each other
    if (copies_.size() == kKept) copies_.erase(copies_.begin());
    stored = copies_.emplace_back(stored.contiguous().cpu());
  }
  return std::as_bytes(std::span(static_cast<const char*>(stored.const_data_ptr()), stored.nbytes()));
}

at::Tensor GivenTensors::tensor(const TensorInfo& info) const {
  return given_.find(info.name)->second;
}

void GivenTensors::release(const TensorInfo& info) {
  given_.find(info.name)->second.reset();
}

}  // namespace emend
