// Written with the vector types of GCC and Clang, sixteen numbers at a time: one source for AVX-512, AVX2 and
// what every machine has.
#include "memories/logit_sweep.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <bit>
#include <cstring>

// Vectors never leave a function, so how they would be passed does not matter.
#pragma GCC diagnostic ignored "-Wpsabi"

#define EMEND_INLINE inline __attribute__((always_inline))
#define EMEND_AVX2 __attribute__((target("avx2,fma")))
#define EMEND_AVX512 __attribute__((target("avx512f")))

namespace emend {
namespace {

constexpr int kLanes = 16;
using Lanes = float __attribute__((vector_size(64)));
using IntLanes = std::int32_t __attribute__((vector_size(64)));

EMEND_INLINE void load(Lanes& lanes, const float* from) {
  std::memcpy(&lanes, from, sizeof lanes);
}

EMEND_INLINE void fill(Lanes& lanes, float value) {
  lanes = Lanes{} + value;
}

// e^x for x <= 0 within 2 units in the last place, 0 (1e-38) far below: x = n ln 2 + r, and a polynomial of r
// (Cephes' expf).
EMEND_INLINE void exponential(Lanes& y, const Lanes& x) {
  Lanes least;
  fill(least, -87.0F);
  const Lanes inside = x > least ? x : least;
  const IntLanes n = __builtin_convertvector(inside * 1.44269504F - 0.5F, IntLanes);
  const Lanes whole = __builtin_convertvector(n, Lanes);
  const Lanes r = inside - whole * 0.693359375F + whole * 2.12194440e-4F;
  Lanes p = r * 1.9875691500e-4F + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * (r * r) + r + 1.0F;
  y = p * std::bit_cast<Lanes>((n + 127) << 23);
}

EMEND_INLINE double total(const Lanes& lanes, int count = kLanes) {
  double sum = 0;
  for (int i = 0; i < count; ++i) sum += lanes[i];
  return sum;
}

EMEND_INLINE void extremes_of(const float* row, std::int64_t count, float& high, float& low) {
  Lanes highest, lowest, z;
  fill(highest, row[0]);
  fill(lowest, row[0]);
  std::int64_t j = 0;
  for (; j + kLanes <= count; j += kLanes) {
    load(z, row + j);
    highest = z > highest ? z : highest;
    lowest = z < lowest ? z : lowest;
  }
  high = highest[0];
  low = lowest[0];
  for (int i = 1; i < kLanes; ++i) {
    high = highest[i] > high ? highest[i] : high;
    low = lowest[i] < low ? lowest[i] : low;
  }
  for (; j < count; ++j) {
    high = row[j] > high ? row[j] : high;
    low = row[j] < low ? row[j] : low;
  }
}

struct LaneSums {
  Lanes sum{}, weighted{}, low_sum{}, low_weighted{};
};

EMEND_INLINE void add_lanes(LaneSums& sums, const Lanes& z, float high, float low) {
  const Lanes down = z - high, up = low - z;
  Lanes e;
  exponential(e, down);
  sums.sum += e;
  sums.weighted += down * e;
  exponential(e, up);
  sums.low_sum += e;
  sums.low_weighted += up * e;
}

EMEND_INLINE void add_totals(ExponentialSums& all, const LaneSums& lanes, int count) {
  all.sum += total(lanes.sum, count);
  all.weighted += total(lanes.weighted, count);
  all.low_sum += total(lanes.low_sum, count);
  all.low_weighted += total(lanes.low_weighted, count);
}

EMEND_INLINE ExponentialSums sums_of(const float* row, std::int64_t count, float high, float low) {
  ExponentialSums all;
  LaneSums lanes;
  Lanes z;
  std::int64_t j = 0;
  for (; j + kLanes <= count; j += kLanes) {
    load(z, row + j);
    add_lanes(lanes, z, high, low);
  }
  add_totals(all, lanes, kLanes);
  if (j < count) {  // the rest, with lanes behind it that are not counted
    fill(z, high);
    std::memcpy(&z, row + j, sizeof(float) * static_cast<std::size_t>(count - j));
    LaneSums rest;
    add_lanes(rest, z, high, low);
    add_totals(all, rest, static_cast<int>(count - j));
  }
  return all;
}

EMEND_INLINE std::int64_t count_of(const float* row, std::int64_t count, float bound) {
  IntLanes above{};
  Lanes z, bounds;
  fill(bounds, bound);
  std::int64_t j = 0;
  for (; j + kLanes <= count; j += kLanes) {
    load(z, row + j);
    above -= z > bounds;  // a comparison that holds is -1
  }
  std::int64_t sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += above[i];
  for (; j < count; ++j) sum += row[j] > bound ? 1 : 0;
  return sum;
}

EMEND_INLINE std::int64_t collect_rest(const float* row, std::int64_t begin, std::int64_t count, float high,
                                       float low, std::int32_t* found) {
  std::int64_t n = 0;
  for (std::int64_t j = begin; j < count; ++j) {
    found[n] = static_cast<std::int32_t>(j);
    n += row[j] > high || row[j] < low ? 1 : 0;
  }
  return n;
}

std::int64_t collect_plain(const float* row, std::int64_t count, float high, float low, std::int32_t* found) {
  return collect_rest(row, 0, count, high, low, found);
}

#if defined(__x86_64__)
// Comparisons give a bit a lane, and most have none: so these two know their instruction set.
EMEND_AVX2 std::int64_t collect_avx2(const float* row, std::int64_t count, float high, float low,
                                     std::int32_t* found) {
  const __m256 highs = _mm256_set1_ps(high), lows = _mm256_set1_ps(low);
  std::int64_t n = 0, j = 0;
  for (; j + 8 <= count; j += 8) {
    const __m256 z = _mm256_loadu_ps(row + j);
    auto bits = static_cast<unsigned>(_mm256_movemask_ps(
        _mm256_or_ps(_mm256_cmp_ps(z, highs, _CMP_GT_OQ), _mm256_cmp_ps(z, lows, _CMP_LT_OQ))));
    for (; bits != 0; bits &= bits - 1) found[n++] = static_cast<std::int32_t>(j + std::countr_zero(bits));
  }
  return n + collect_rest(row, j, count, high, low, found + n);
}

EMEND_AVX512 std::int64_t collect_avx512(const float* row, std::int64_t count, float high, float low,
                                         std::int32_t* found) {
  const __m512 highs = _mm512_set1_ps(high), lows = _mm512_set1_ps(low);
  std::int64_t n = 0, j = 0;
  for (; j + kLanes <= count; j += kLanes) {
    const __m512 z = _mm512_loadu_ps(row + j);
    unsigned bits = _mm512_cmp_ps_mask(z, highs, _CMP_GT_OQ) | _mm512_cmp_ps_mask(z, lows, _CMP_LT_OQ);
    for (; bits != 0; bits &= bits - 1) found[n++] = static_cast<std::int32_t>(j + std::countr_zero(bits));
  }
  return n + collect_rest(row, j, count, high, low, found + n);
}
#endif

// The functions for one instruction set.
#define EMEND_KERNELS(name, attribute)                                                                 \
  attribute void extremes_##name(const float* row, std::int64_t count, float& high, float& low) {      \
    extremes_of(row, count, high, low);                                                                \
  }                                                                                                    \
  attribute ExponentialSums sums_##name(const float* row, std::int64_t count, float high, float low) { \
    return sums_of(row, count, high, low);                                                             \
  }                                                                                                    \
  attribute std::int64_t count_##name(const float* row, std::int64_t count, float bound) {             \
    return count_of(row, count, bound);                                                                \
  }                                                                                                    \
  constexpr SweepKernels kKernels_##name = {extremes_##name, sums_##name, count_##name, collect_##name};

EMEND_KERNELS(plain, )
#if defined(__x86_64__)
EMEND_KERNELS(avx2, EMEND_AVX2)
EMEND_KERNELS(avx512, EMEND_AVX512)
#endif

#undef EMEND_KERNELS

}  // namespace

const SweepKernels& sweep_kernels() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") != 0) return kKernels_avx512;
  if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0) return kKernels_avx2;
#endif
  return kKernels_plain;
}

}  // namespace emend
