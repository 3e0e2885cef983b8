// Running sum of k k^T over portions of keys: float32 products, float64 sums, one triangle.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace emend {

// S = sum_t k_t k_t^T is symmetric, so only panels of its upper staircase are computed and kept: panel p
// holds S[r_p : r_p + kPanel, r_p : size], hence (1 + kPanel / size) / 2 of the products and of the memory.
// The keys of one add() are multiplied in float32 and added in float64: the same portions in the same order
// give the same bits, whatever passes they came from. Portions of about a thousand keys keep the float32
// rounding of a product below 1e-6.
class MomentSum {
 public:
  static constexpr std::int64_t kPanel = 256;

  explicit MomentSum(std::int64_t size);
  // A copy is a sum of its own: tensors would share their numbers.
  MomentSum(const MomentSum& other);
  MomentSum& operator=(const MomentSum& other);
  MomentSum(MomentSum&&) noexcept = default;
  MomentSum& operator=(MomentSum&&) noexcept = default;
  ~MomentSum() = default;

  // keys [n, size], any float type and device; the sum lives where the first keys were. False, and the sum is
  // as it was, when a key is NaN or infinite (or so large that its square is not a float32). `scratch`
  // holds the product and may be shared by sums of one size that take turns; undefined at first. On a GPU,
  // 16-bit keys are multiplied as they are: exact products, added in float32.
  [[nodiscard]] bool add(const at::Tensor& keys, at::Tensor& scratch);
  // Adds the sum of other keys of the same size: float64 additions.
  void merge(const MomentSum& other);

  // Moves the sum: two that are added later must be in one place before either has keys.
  void place(const at::Device& device);

  std::int64_t size() const { return size_; }
  std::int64_t count() const { return count_; }
  // The sum over all keys so far [size, size] float64, symmetric, where the keys were.
  at::Tensor value() const;

  // The panels one after another, float64 on the CPU, [packed_elements(size)]: what checkpoints hold.
  at::Tensor packed() const;
  at::Device device() const { return sum_.device(); }
  static MomentSum from_packed(std::int64_t size, std::int64_t count, const at::Tensor& packed);
  static std::int64_t packed_elements(std::int64_t size);

 private:
  std::int64_t size_;
  std::int64_t count_ = 0;
  at::Tensor sum_;  // [packed_elements] float64
};

}  // namespace emend
