#include "delivery/stored_weight.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/strings.h"
#include "emend/error.h"

namespace emend {
namespace {

at::Tensor turned(const at::Tensor& weight, bool transposed) {
  return transposed ? weight.t().contiguous() : weight;
}

// work(first block, number of blocks) over parts, on all threads; blocks do not depend on each other.
template <typename Work>
void over_blocks(std::int64_t blocks, const Work& work) {
  constexpr std::int64_t kLeastBlocks = 64;
  at::parallel_for(0, blocks, kLeastBlocks, [&](std::int64_t begin, std::int64_t end) {
    work(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
  });
}

at::Tensor decode(const std::byte* from, const ElementType& type, const std::vector<std::int64_t>& shape) {
  if (type.name == "F64") {
    const at::Tensor exact = at::empty(shape, at::kDouble);
    std::memcpy(exact.data_ptr(), from, exact.nbytes());
    return exact;
  }
  const at::Tensor values = at::empty(shape, at::kFloat);
  float* const to = values.data_ptr<float>();
  over_blocks(values.numel() / type.block_elements, [&](std::size_t begin, std::size_t count) {
    type.read(from + begin * type.block_bytes, to + begin * type.block_elements, count);
  });
  return values;
}

}  // namespace

const RoleEntry& stored_entry(const Model& model, const WeightRef& weight) {
  for (const RoleEntry& entry : model.roles())
    if (entry.role == weight.role && entry.block == weight.block && !entry.tensor.empty()) return entry;
  throw Error(ErrorKind::kModel, fmt::format("the {} is stored in no file", weight_name(weight)));
}

at::Tensor read_weight(const TensorFile& file, const TensorInfo& tensor, bool transposed) {
  return turned(decode(file.bytes(tensor).data(), *tensor.type, tensor.shape), transposed);
}

std::vector<std::byte> encode_weight(const at::Tensor& W, const ElementType& type, bool transposed) {
  const at::Tensor stored = turned(W, transposed).contiguous();
  const std::size_t blocks = static_cast<std::size_t>(stored.numel()) / type.block_elements;
  std::vector<std::byte> bytes(blocks * type.block_bytes);
  if (type.name == "F64") {
    const at::Tensor exact = stored.to(at::kDouble);
    std::memcpy(bytes.data(), exact.const_data_ptr(), bytes.size());
  } else {
    const at::Tensor values = stored.to(at::kFloat);
    const float* const from = values.const_data_ptr<float>();
    over_blocks(static_cast<std::int64_t>(blocks), [&](std::size_t begin, std::size_t count) {
      type.write(from + begin * type.block_elements, bytes.data() + begin * type.block_bytes, count);
    });
  }
  return bytes;
}

at::Tensor decode_weight(const std::vector<std::byte>& bytes, const ElementType& type, std::int64_t d_model,
                         std::int64_t d_ff, bool transposed) {
  std::vector<std::int64_t> shape = {d_model, d_ff};
  if (transposed) std::reverse(shape.begin(), shape.end());
  return turned(decode(bytes.data(), type, shape), transposed);
}

}  // namespace emend
