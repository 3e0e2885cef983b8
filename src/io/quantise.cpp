#include "io/quantise.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "io/half.h"

namespace emend {
namespace {

constexpr std::size_t kBlock = 32;
constexpr std::size_t kHalf = kBlock / 2;
using Quants = std::array<std::uint8_t, kBlock>;

template <typename Number>
std::byte* store(std::byte* to, Number number) {
  std::memcpy(to, &number, sizeof number);
  return to + sizeof number;
}

// 0 where the scale is 0, or so small that its inverse overflows (as a half it is 0, too).
float inverse_or_zero(float scale) {
  const float inverse = 1.0F / scale;
  return std::isfinite(inverse) ? inverse : 0.0F;
}

// Element e < 16 is the low half of byte e, element e + 16 its high half.
void store_nibbles(const Quants& quants, std::byte* to) {
  for (std::size_t i = 0; i < kHalf; ++i)
    to[i] = static_cast<std::byte>((quants[i] & 15) | ((quants[i + kHalf] & 15) << 4));
}

// The fifth bits, that of element e at bit e.
std::uint32_t fifth_bits(const Quants& quants) {
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < kBlock; ++i) bits |= static_cast<std::uint32_t>(quants[i] >> 4) << i;
  return bits;
}

// d = a / -offset for the value a of largest magnitude, the first of several; q = trunc(x / d + offset +
// 1/2), at most 2 offset - 1. Returns d.
float symmetric_quants(const float* from, int offset, Quants& quants) {
  float largest = 0;
  for (std::size_t i = 0; i < kBlock; ++i)
    if (std::abs(from[i]) > std::abs(largest)) largest = from[i];
  const float d = largest / static_cast<float>(-offset);
  const float inverse = inverse_or_zero(d), middle = static_cast<float>(offset) + 0.5F;
  for (std::size_t i = 0; i < kBlock; ++i)
    quants[i] =
        static_cast<std::uint8_t>(std::min(2 * offset - 1, static_cast<int>(from[i] * inverse + middle)));
  return d;
}

struct Line {
  float d, m;
};

// d = (max - min) / steps, m = min; q = trunc((x - m) / d + 0.5), at most `steps`
Line offset_quants(const float* from, int steps, Quants& quants) {
  const auto [low, high] = std::minmax_element(from, from + kBlock);
  const float m = *low;
  const float d = (*high - m) / static_cast<float>(steps);
  const float inverse = inverse_or_zero(d);
  // The formats' own rounding of halves; the sum is never negative.
  // NOLINTBEGIN(bugprone-incorrect-roundings)
  for (std::size_t i = 0; i < kBlock; ++i)
    quants[i] = static_cast<std::uint8_t>(std::min(steps, static_cast<int>((from[i] - m) * inverse + 0.5F)));
  // NOLINTEND(bugprone-incorrect-roundings)
  return {d, m};
}

}  // namespace

void write_f32(const float* from, std::byte* to, std::size_t blocks) {
  if (blocks > 0) std::memcpy(to, from, 4 * blocks);
}

void write_f64(const float* from, std::byte* to, std::size_t blocks) {
  for (std::size_t i = 0; i < blocks; ++i) to = store(to, static_cast<double>(from[i]));
}

void write_f16(const float* from, std::byte* to, std::size_t blocks) {
  for (std::size_t i = 0; i < blocks; ++i) to = store(to, float_to_half(from[i]));
}

void write_bf16(const float* from, std::byte* to, std::size_t blocks) {
  for (std::size_t i = 0; i < blocks; ++i) to = store(to, float_to_bfloat16(from[i]));
}

void write_q4_0(const float* from, std::byte* to, std::size_t blocks) {
  Quants quants;
  for (std::size_t b = 0; b < blocks; ++b, from += kBlock, to += 18) {
    const float d = symmetric_quants(from, 8, quants);
    store_nibbles(quants, store(to, float_to_half(d)));
  }
}

void write_q4_1(const float* from, std::byte* to, std::size_t blocks) {
  Quants quants;
  for (std::size_t b = 0; b < blocks; ++b, from += kBlock, to += 20) {
    const Line line = offset_quants(from, 15, quants);
    store_nibbles(quants, store(store(to, float_to_half(line.d)), float_to_half(line.m)));
  }
}

void write_q5_0(const float* from, std::byte* to, std::size_t blocks) {
  Quants quants;
  for (std::size_t b = 0; b < blocks; ++b, from += kBlock, to += 22) {
    const float d = symmetric_quants(from, 16, quants);
    store_nibbles(quants, store(store(to, float_to_half(d)), fifth_bits(quants)));
  }
}

void write_q5_1(const float* from, std::byte* to, std::size_t blocks) {
  Quants quants;
  for (std::size_t b = 0; b < blocks; ++b, from += kBlock, to += 24) {
    const Line line = offset_quants(from, 31, quants);
    std::byte* const rest = store(store(to, float_to_half(line.d)), float_to_half(line.m));
    store_nibbles(quants, store(rest, fifth_bits(quants)));
  }
}

// d = max |x| / 127; q = x / d, rounded half away from zero
void write_q8_0(const float* from, std::byte* to, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b, from += kBlock, to += 34) {
    float largest = 0;
    for (std::size_t i = 0; i < kBlock; ++i) largest = std::max(largest, std::abs(from[i]));
    const float d = largest / 127;
    const float inverse = inverse_or_zero(d);
    std::byte* const quants = store(to, float_to_half(d));
    for (std::size_t i = 0; i < kBlock; ++i)
      quants[i] = static_cast<std::byte>(static_cast<std::int8_t>(std::round(from[i] * inverse)));
  }
}

}  // namespace emend
