// Running sum of k k^T in fixed blocks, so that neither batch nor thread count moves the result.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace emend {

// Keys go in in any portions; every kBlock of them are multiplied in float32 and added in float64.
class MomentSum {
 public:
  static constexpr std::int64_t kBlock = 1024;

  explicit MomentSum(std::int64_t size);

  // keys [n, size], any float type and device; kept until a block is full. Those past `limit` keys in all are left out.
  void add(const at::Tensor& keys, std::int64_t limit);

  std::int64_t count() const { return count_; }
  // The sum over all keys so far [size, size] float64 on the CPU, symmetric.
  at::Tensor value() const;

 private:
  void flush(const at::Tensor& block);

  std::int64_t count_ = 0, held_ = 0;
  std::vector<at::Tensor> waiting_;
  at::Tensor sum_;
};

}  // namespace emend
