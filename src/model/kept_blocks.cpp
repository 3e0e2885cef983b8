#include "model/kept_blocks.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/strings.h"
#include "emend/error.h"
#include "model/block_reader.h"
#include "model/weights.h"

namespace emend {
namespace {

std::int64_t bytes_of(const at::Tensor& tensor) {
  return tensor.defined() ? static_cast<std::int64_t>(tensor.nbytes()) : 0;
}

std::int64_t matrix_bytes(const BlockWeights& block) {
  std::int64_t bytes = 0;
  for (const BlockMatrix member : kBlockMatrices) bytes += bytes_of(block.*member);
  return bytes;
}

// All weights, without memory.
ModelWeights shapes(const ModelConfig& config, const at::TensorOptions& options) {
  const std::vector<at::Device> nowhere(static_cast<std::size_t>(config.layers), at::kMeta);
  return allocate_weights(config, options.device(at::kMeta), nowhere);
}

std::string human(std::int64_t bytes) {
  return human_bytes(static_cast<std::uint64_t>(bytes));
}

}  // namespace

WeightSizes weight_sizes(const ModelConfig& config, const at::TensorOptions& options) {
  const ModelWeights weights = shapes(config, options);
  WeightSizes sizes;
  for (const at::Tensor& tensor : all_weights(weights)) sizes.all += bytes_of(tensor);
  std::int64_t largest = 0;
  sizes.least = sizes.all;
  for (const BlockWeights& block : weights.blocks) {
    sizes.least -= matrix_bytes(block);
    largest = std::max(largest, matrix_bytes(block));
  }
  sizes.least += largest;
  return sizes;
}

int first_kept_block(const ModelConfig& config, const at::TensorOptions& options, std::int64_t weight_bytes,
                     const std::string& where) {
  const WeightSizes sizes = weight_sizes(config, options);
  if (weight_bytes == 0 || weight_bytes >= sizes.all) return 0;
  if (weight_bytes < sizes.least)
    throw Error(ErrorKind::kConfig,
                fmt::format("{}: {} for weights is too little; its tables, norms and largest block take {}",
                            where, human(weight_bytes), human(sizes.least)));
  const ModelWeights weights = shapes(config, options);
  std::int64_t room = weight_bytes - sizes.least;
  int first = config.layers;
  while (first > 0 && room >= matrix_bytes(weights.blocks[static_cast<std::size_t>(first) - 1]))
    room -= matrix_bytes(weights.blocks[static_cast<std::size_t>(--first)]);
  return first;
}

}  // namespace emend
