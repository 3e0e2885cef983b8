// sweep_kernels.inc as C++ of the CPU: what its kernels are given, and the kernels.
#pragma once

#include <c10/util/Half.h>

#include <atomic>
#include <bit>
#include <cmath>

namespace emend::sweep_kernels {

// The place of a thread, as CUDA names it.
struct ThreadPlace {
  unsigned x = 0, y = 0;
};
inline thread_local ThreadPlace blockIdx, blockDim, threadIdx;

inline unsigned number_bits(float x) {
  return std::bit_cast<unsigned>(x);
}
inline float bits_number(unsigned bits) {
  return std::bit_cast<float>(bits);
}
inline float half_number(unsigned short bits) {
  return c10::detail::fp16_ieee_to_fp32_value(bits);
}
inline void lower_to(unsigned long long* number, unsigned long long other) {
  const std::atomic_ref<unsigned long long> shared(*number);
  unsigned long long now = shared.load();
  while (other < now && !shared.compare_exchange_weak(now, other)) {
  }
}
// An addition that waits for nothing on a GPU; here nobody else has the number.
inline void count_one(int* number) {
  ++*number;
}
using std::floor;
using std::rint;

#define EMEND_DEVICE inline
#define EMEND_CALLED inline
#define EMEND_UNROLLED
#define EMEND_KERNEL inline void
#define EMEND_KERNELS(...) __VA_ARGS__
#include "memories/sweep_kernels.inc"
#undef EMEND_KERNELS
#undef EMEND_KERNEL
#undef EMEND_UNROLLED
#undef EMEND_CALLED
#undef EMEND_DEVICE

}  // namespace emend::sweep_kernels
