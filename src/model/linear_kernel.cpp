// Written with the vector types of GCC and Clang: one source for AVX2 and AVX-512. A tile of 4 rows of W and
// 3 rows of x is 12 sums, each in a register of its own, and 7 loads for 12 multiplications.
#include "model/linear_kernel.h"

#include <array>
#include <cstring>

// Vectors never leave a function, so how they would be passed does not matter.
#pragma GCC diagnostic ignored "-Wpsabi"

#define EMEND_INLINE inline __attribute__((always_inline))
#define EMEND_UNROLLED _Pragma("GCC unroll 16")

namespace emend {
namespace {

#if defined(__x86_64__)

constexpr int kTileOut = 4, kTileRows = 3;
constexpr std::int64_t kCacheLine = 16;  // numbers

using Lanes8 = float __attribute__((vector_size(32)));
using Lanes16 = float __attribute__((vector_size(64)));

template <typename Lanes>
constexpr int kLanes = sizeof(Lanes) / sizeof(float);

template <typename Lanes>
EMEND_INLINE void load(Lanes& lanes, const float* from) {
  std::memcpy(&lanes, from, sizeof lanes);
}

template <typename Lanes>
EMEND_INLINE float total(const Lanes& lanes) {
  std::array<float, kLanes<Lanes>> sums;
  std::memcpy(sums.data(), &lanes, sizeof lanes);
  for (std::size_t half = sums.size() / 2; half > 0; half /= 2)
    for (std::size_t i = 0; i < half; ++i) sums[i] += sums[i + half];
  return sums[0];
}

// Columns [column, column + kOut) of y in rows [row, row + kRows). `next`: the rows of W that come next,
// which are brought into the cache meanwhile; null: they are there.
template <typename Lanes, int kOut, int kRows>
EMEND_INLINE void run_tile(const LinearRows& product, std::int64_t column, std::int64_t row,
                           const float* next) {
  const std::int64_t in = product.in, stride = product.stride;
  const float* const x = product.x + row * in;
  const float* const w = product.weight + column * stride;
  Lanes sums[kOut][kRows] = {};
  std::int64_t k = 0;
  for (; k + kLanes<Lanes> <= in; k += kLanes<Lanes>) {
    if (next != nullptr && k % kCacheLine == 0) {
      EMEND_UNROLLED
      for (int o = 0; o < kOut; ++o) __builtin_prefetch(next + o * stride + k, 0, 2);
    }
    Lanes xs[kRows];
    EMEND_UNROLLED
    for (int r = 0; r < kRows; ++r) load(xs[r], x + r * in + k);
    EMEND_UNROLLED
    for (int o = 0; o < kOut; ++o) {
      Lanes ws;
      load(ws, w + o * stride + k);
      EMEND_UNROLLED
      for (int r = 0; r < kRows; ++r) sums[o][r] += ws * xs[r];
    }
  }
  EMEND_UNROLLED
  for (int r = 0; r < kRows; ++r) {
    EMEND_UNROLLED
    for (int o = 0; o < kOut; ++o) {
      float sum = total(sums[o][r]);
      for (std::int64_t rest = k; rest < in; ++rest) sum += w[o * stride + rest] * x[r * in + rest];
      if (product.bias != nullptr) sum += product.bias[column + o];
      product.y[(row + r) * product.out + column + o] = sum;
    }
  }
}

// All rows of columns [column, column + kOut) of y. The first tile waits for W; those behind it have the time
// to fetch what follows.
template <typename Lanes, int kOut>
EMEND_INLINE void run_columns(const LinearRows& product, std::int64_t column, bool fetches_next) {
  const float* const next = product.weight + (column + kOut) * product.stride;
  const std::int64_t fetching = product.rows > kTileRows ? kTileRows : 0;
  std::int64_t row = 0;
  for (; row + kTileRows <= product.rows; row += kTileRows)
    run_tile<Lanes, kOut, kTileRows>(product, column, row, fetches_next && row == fetching ? next : nullptr);
  if (product.rows - row == 2) run_tile<Lanes, kOut, 2>(product, column, row, nullptr);
  if (product.rows - row == 1) run_tile<Lanes, kOut, 1>(product, column, row, nullptr);
}

template <typename Lanes>
EMEND_INLINE void run_all(const LinearRows& product, std::int64_t begin, std::int64_t end) {
  std::int64_t column = begin;
  for (; column + kTileOut <= end; column += kTileOut)
    run_columns<Lanes, kTileOut>(product, column, column + 2 * kTileOut <= end);
  for (; column < end; ++column) run_columns<Lanes, 1>(product, column, false);
}

__attribute__((target("avx2,fma"))) void run_avx2(const LinearRows& product, std::int64_t begin,
                                                  std::int64_t end) {
  run_all<Lanes8>(product, begin, end);
}

__attribute__((target("avx512f"))) void run_avx512(const LinearRows& product, std::int64_t begin,
                                                   std::int64_t end) {
  run_all<Lanes16>(product, begin, end);
}

// Measured with AVX2 (docs/benchmarks.md); with AVX-512 half of it, since libraries are at their best there.
constexpr LinearKernel kAvx2 = {run_avx2, 256}, kAvx512 = {run_avx512, 128};

#endif

}  // namespace

const LinearKernel* linear_kernel() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") != 0) return &kAvx512;
  if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0) return &kAvx2;
#endif
  return nullptr;
}

}  // namespace emend
