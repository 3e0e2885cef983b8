#include "delivery/stored_weight.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/strings.h"
#include "emend/error.h"
#include "io/dequantise.h"
#include "io/quantise.h"

namespace emend {
namespace {

at::Tensor turned(const at::Tensor& weight, bool transposed) {
  return transposed ? weight.t().contiguous() : weight;
}

at::Tensor decode(const std::byte* from, DType dtype, const std::vector<std::int64_t>& shape) {
  if (dtype == DType::kF64) {
    const at::Tensor exact = at::empty(shape, at::kDouble);
    std::memcpy(exact.data_ptr(), from, exact.nbytes());
    return exact;
  }
  const at::Tensor values = at::empty(shape, at::kFloat);
  const auto elements = static_cast<std::size_t>(values.numel());
  dequantise(dtype, from, values.data_ptr<float>(), elements / block_size(dtype).elements);
  return values;
}

}  // namespace

const RoleEntry& stored_entry(const Model& model, const WeightRef& weight) {
  for (const RoleEntry& entry : model.roles())
    if (entry.role == weight.role && entry.block == weight.block && !entry.tensor.empty()) return entry;
  throw Error(ErrorKind::kModel, fmt::format("the {} is stored in no file", weight_name(weight)));
}

at::Tensor read_weight(const TensorFile& file, const TensorInfo& tensor, bool transposed) {
  return turned(decode(file.bytes(tensor).data(), tensor.dtype, tensor.shape), transposed);
}

std::vector<std::byte> encode_weight(const at::Tensor& W, DType dtype, bool transposed) {
  const at::Tensor stored = turned(W, transposed).contiguous();
  const BlockSize block = block_size(dtype);
  std::vector<std::byte> bytes(static_cast<std::size_t>(stored.numel()) / block.elements * block.bytes);
  if (dtype == DType::kF64) {
    const at::Tensor exact = stored.to(at::kDouble);
    std::memcpy(bytes.data(), exact.const_data_ptr(), bytes.size());
  } else {
    const at::Tensor values = stored.to(at::kFloat);
    quantise(dtype, values.const_data_ptr<float>(), bytes.data(),
             static_cast<std::size_t>(values.numel()) / block.elements);
  }
  return bytes;
}

at::Tensor decode_weight(const std::vector<std::byte>& bytes, DType dtype, std::int64_t d_model,
                         std::int64_t d_ff, bool transposed) {
  std::vector<std::int64_t> shape = {d_model, d_ff};
  if (transposed) std::reverse(shape.begin(), shape.end());
  return turned(decode(bytes.data(), dtype, shape), transposed);
}

}  // namespace emend
