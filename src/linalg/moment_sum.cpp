#include "linalg/moment_sum.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace emend {

namespace {

at::Tensor product(const at::Tensor& block) {
  const at::Tensor wide = block.to(at::kFloat);
  return at::matmul(wide.t(), wide).to(at::kDouble);
}

}  // namespace

MomentSum::MomentSum(std::int64_t size) : sum_(at::zeros({size, size}, at::kDouble)) {}

void MomentSum::add(const at::Tensor& keys, std::int64_t limit) {
  const std::int64_t taken = std::min(keys.size(0), limit - count_);
  if (taken <= 0) return;
  waiting_.push_back(keys.narrow(0, 0, taken));
  held_ += taken;
  count_ += taken;
  if (held_ < kBlock) return;
  const at::Tensor all = at::cat(waiting_, 0);
  std::int64_t at = 0;
  for (; at + kBlock <= held_; at += kBlock) flush(all.narrow(0, at, kBlock));
  waiting_.clear();
  held_ -= at;
  if (held_ > 0) waiting_.push_back(all.narrow(0, at, held_).clone());
}

void MomentSum::flush(const at::Tensor& block) {
  if (sum_.device() != block.device()) sum_ = sum_.to(block.device());
  sum_ += product(block);
}

at::Tensor MomentSum::value() const {
  at::Tensor total = sum_.cpu();
  if (held_ > 0) total = total + product(at::cat(waiting_, 0)).cpu();
  return 0.5 * (total + total.t());
}

}  // namespace emend
