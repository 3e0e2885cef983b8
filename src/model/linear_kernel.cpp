// Written with the vector types of GCC and Clang: one source for AVX2 and AVX-512. A tile of 4 rows of W and
// 3 rows of x (AVX-512: 6, which its 32 registers hold) is 12 (24) sums, each in a register of its own, and 7
// (10) loads for as many multiplications.
#include "model/linear_kernel.h"

#include <cstring>

// Vectors never leave a function, so how they would be passed does not matter.
#pragma GCC diagnostic ignored "-Wpsabi"

#define EMEND_INLINE inline __attribute__((always_inline))
#define EMEND_UNROLLED _Pragma("GCC unroll 16")

namespace emend {
namespace {

#if defined(__x86_64__)

constexpr int kTileOut = 4;
constexpr std::int64_t kCacheLine = 16;  // numbers

using Lanes4 = float __attribute__((vector_size(16)));
using Lanes8 = float __attribute__((vector_size(32)));
using Lanes16 = float __attribute__((vector_size(64)));

template <typename Lanes>
constexpr int kLanes = sizeof(Lanes) / sizeof(float);
template <typename Lanes>
constexpr int kTileRows = kLanes<Lanes> == 16 ? 6 : 3;
// Tiles of W that meet the same rows of x one after the other, while these are in the nearest cache.
template <typename Lanes>
constexpr int kPanelTiles = kLanes<Lanes> == 16 ? 4 : 1;

template <typename Lanes>
EMEND_INLINE void load(Lanes& lanes, const float* from) {
  std::memcpy(&lanes, from, sizeof lanes);
}

EMEND_INLINE Lanes4 folded(const Lanes8& v) {
  return __builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7);
}
EMEND_INLINE Lanes4 folded(const Lanes16& v) {
  const Lanes8 low = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7);
  const Lanes8 high = __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  return folded(low + high);
}

// The sums of four vectors' lanes; all by one order of adding, so that a column's number does not depend on
// where in a tile it lies.
EMEND_INLINE Lanes4 totals(const Lanes4& a, const Lanes4& b, const Lanes4& c, const Lanes4& d) {
  const Lanes4 ab = __builtin_shufflevector(a, b, 0, 4, 1, 5) + __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const Lanes4 cd = __builtin_shufflevector(c, d, 0, 4, 1, 5) + __builtin_shufflevector(c, d, 2, 6, 3, 7);
  return __builtin_shufflevector(ab, cd, 0, 1, 4, 5) + __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
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
    Lanes4 quads[kTileOut] = {};
    EMEND_UNROLLED
    for (int o = 0; o < kOut; ++o) quads[o] = folded(sums[o][r]);
    Lanes4 y = totals(quads[0], quads[1], quads[2], quads[3]);
    for (std::int64_t rest = k; rest < in; ++rest) {
      // Rounded once in every tile, where the compiler would choose for each.
      EMEND_UNROLLED
      for (int o = 0; o < kOut; ++o) y[o] = __builtin_fmaf(w[o * stride + rest], x[r * in + rest], y[o]);
    }
    if (product.bias != nullptr) {
      EMEND_UNROLLED
      for (int o = 0; o < kOut; ++o) y[o] += product.bias[column + o];
    }
    std::memcpy(product.y + (row + r) * product.out + column, &y, kOut * sizeof(float));
  }
}

// kTiles tiles of W, from `column` on, with kRows rows of x.
template <typename Lanes, int kOut, int kTiles, int kRows>
EMEND_INLINE void run_rows(const LinearRows& product, std::int64_t column, std::int64_t row,
                           const float* next) {
  for (std::int64_t tile = 0; tile < kTiles; ++tile)
    run_tile<Lanes, kOut, kRows>(product, column + tile * kOut, row,
                                 next == nullptr ? nullptr : next + tile * kOut * product.stride);
}

// What is left when whole tiles of rows are done: fewer than a tile has.
template <typename Lanes, int kOut, int kTiles, int kRows>
EMEND_INLINE void run_last_rows(const LinearRows& product, std::int64_t column, std::int64_t row,
                                const float* next) {
  if (product.rows - row == kRows) run_rows<Lanes, kOut, kTiles, kRows>(product, column, row, next);
  if constexpr (kRows > 1) run_last_rows<Lanes, kOut, kTiles, kRows - 1>(product, column, row, next);
}

// All rows of columns [column, column + kTiles kOut) of y. The first rows wait for W; those behind them have
// the time to fetch what follows, and where there are none the first ones do it.
template <typename Lanes, int kOut, int kTiles>
EMEND_INLINE void run_columns(const LinearRows& product, std::int64_t column, bool fetches_next) {
  constexpr int rows = kTileRows<Lanes>;
  const float* const next = product.weight + (column + std::int64_t{kTiles} * kOut) * product.stride;
  const std::int64_t fetching = product.rows > rows ? rows : 0;
  const auto fetched = [&](std::int64_t row) { return fetches_next && row == fetching ? next : nullptr; };
  std::int64_t row = 0;
  for (; row + rows <= product.rows; row += rows)
    run_rows<Lanes, kOut, kTiles, rows>(product, column, row, fetched(row));
  run_last_rows<Lanes, kOut, kTiles, rows - 1>(product, column, row, fetched(row));
}

template <typename Lanes>
EMEND_INLINE void run_all(const LinearRows& product, std::int64_t begin, std::int64_t end) {
  constexpr int panel = kTileOut * kPanelTiles<Lanes>;
  std::int64_t column = begin;
  for (; column + panel <= end; column += panel)
    run_columns<Lanes, kTileOut, kPanelTiles<Lanes>>(product, column, column + 2 * panel <= end);
  for (; column + kTileOut <= end; column += kTileOut)
    run_columns<Lanes, kTileOut, 1>(product, column, false);
  for (; column < end; ++column) run_columns<Lanes, 1, 1>(product, column, false);
}

__attribute__((target("avx2,fma"))) void run_avx2(const LinearRows& product, std::int64_t begin,
                                                  std::int64_t end) {
  run_all<Lanes8>(product, begin, end);
}

__attribute__((target("avx512f"))) void run_avx512(const LinearRows& product, std::int64_t begin,
                                                   std::int64_t end) {
  run_all<Lanes16>(product, begin, end);
}

// Measured (docs/benchmarks.md). With AVX-512 libraries are as fast from about 50 rows on, and a fifth faster
// at 100; up to 128 rows this kernel is taken all the same, so that a row does not depend on those beside it.
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
