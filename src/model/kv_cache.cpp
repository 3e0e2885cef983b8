#include <ATen/ATen.h>

#include <algorithm>

#include "emend/model.h"
#include "emend/pass.h"
#include "model/rows.h"

namespace emend {

KvCache::KvCache(const ModelConfig& config, int first_block, std::int64_t rows, std::int64_t capacity,
                 const at::TensorOptions& options)
    : lengths(static_cast<std::size_t>(rows), 0), first_block_(first_block), capacity_(capacity) {
  for (int block = first_block; block < config.layers; ++block) {
    keys_.push_back(at::zeros({rows, config.kv_heads, capacity, config.head_dim}, options));
    values_.push_back(at::zeros({rows, config.kv_heads, capacity, config.head_dim}, options));
  }
}

KvCache KvCache::select(const std::vector<std::int64_t>& rows, int first_block,
                        std::int64_t max_length) const {
  KvCache part;
  part.first_block_ = first_block;
  part.capacity_ = std::min(max_length, capacity_);
  for (std::int64_t row : rows) part.lengths.push_back(std::min(lengths[row], part.capacity_));
  if (keys_.empty()) return part;
  const at::Tensor first = index_tensor(rows, keys_.front().device());
  for (int block = first_block; block < first_block_ + static_cast<int>(keys_.size()); ++block) {
    const at::Tensor index = first.to(keys(block).device());
    part.keys_.push_back(keys(block).narrow(2, 0, part.capacity_).index_select(0, index));
    part.values_.push_back(values(block).narrow(2, 0, part.capacity_).index_select(0, index));
  }
  return part;
}

void KvCache::place(int block, const at::Device& device) {
  const auto at = static_cast<std::size_t>(block - first_block_);
  if (keys_[at].device() == device) return;
  keys_[at] = keys_[at].to(device);
  values_[at] = values_[at].to(device);
}

void KvCache::reserve(std::int64_t capacity) {
  if (capacity <= capacity_) return;
  for (auto* tensors : {&keys_, &values_})
    for (at::Tensor& tensor : *tensors) {
      auto sizes = tensor.sizes().vec();
      sizes[2] = capacity - capacity_;
      tensor = at::cat({tensor, at::zeros(sizes, tensor.options())}, 2);
    }
  capacity_ = capacity;
}

}  // namespace emend
