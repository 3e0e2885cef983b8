#include "io/quantise.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace emend {
namespace {

constexpr std::size_t kBlock = 32;
constexpr std::size_t kHalf = kBlock / 2;

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
template <typename Quant>
void store_nibbles(const float* from, std::byte* to, Quant quant) {
  for (std::size_t i = 0; i < kHalf; ++i)
    to[i] = static_cast<std::byte>(quant(from[i]) | (quant(from[i + kHalf]) << 4));
}

// d = a / -8 for the value a of largest magnitude, the first of several; q = trunc(x / d + 8.5), at most 15
void quantise_q4_0(const float* from, std::byte* to, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b, from += kBlock, to += 18) {
    float largest = 0;
    for (std::size_t i = 0; i < kBlock; ++i)
      if (std::abs(from[i]) > std::abs(largest)) largest = from[i];
    const float d = largest / -8;
    const float inverse = inverse_or_zero(d);
    store_nibbles(from, store(to, float_to_half(d)),
                  [&](float x) { return std::min(15, static_cast<int>(x * inverse + 8.5F)); });
  }
}

// d = (max - min) / 15, m = min; q = trunc((x - m) / d + 0.5), at most 15
void quantise_q4_1(const float* from, std::byte* to, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b, from += kBlock, to += 20) {
    const auto [low, high] = std::minmax_element(from, from + kBlock);
    const float m = *low;
    const float d = (*high - m) / 15;
    const float inverse = inverse_or_zero(d);
    std::byte* const quants = store(store(to, float_to_half(d)), float_to_half(m));
    store_nibbles(from, quants,
                  [&](float x) { return std::min(15, static_cast<int>((x - m) * inverse + 0.5F)); });
  }
}

// d = max |x| / 127; q = x / d, rounded half away from zero
void quantise_q8_0(const float* from, std::byte* to, std::size_t blocks) {
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

}  // namespace

std::uint16_t float_to_half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return static_cast<std::uint16_t>(sign | 0x7E00u);
  if (magnitude >= 0x477FF000u) return static_cast<std::uint16_t>(sign | 0x7C00u);  // 65520
  if (magnitude < 0x38800000u) {                                                    // below 2^-14: subnormal
    // Floats from 0.5 are multiples of 2^-24, as subnormal halves are: the addition rounds to nearest even.
    const float rounded = std::bit_cast<float>(magnitude) + 0.5F;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(rounded) - 0x3F000000u));
  }
  const std::uint32_t odd = (magnitude >> 13) & 1u;
  return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000u + 0xFFFu + odd) >> 13));
}

std::uint16_t float_to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

void quantise(DType dtype, const float* from, std::byte* to, std::size_t blocks) {
  switch (dtype) {
    case DType::kF32:
      if (blocks > 0) std::memcpy(to, from, 4 * blocks);
      return;
    case DType::kF64:
      for (std::size_t i = 0; i < blocks; ++i) to = store(to, static_cast<double>(from[i]));
      return;
    case DType::kF16:
      for (std::size_t i = 0; i < blocks; ++i) to = store(to, float_to_half(from[i]));
      return;
    case DType::kBF16:
      for (std::size_t i = 0; i < blocks; ++i) to = store(to, float_to_bfloat16(from[i]));
      return;
    case DType::kQ4_0:
      return quantise_q4_0(from, to, blocks);
    case DType::kQ4_1:
      return quantise_q4_1(from, to, blocks);
    case DType::kQ8_0:
      return quantise_q8_0(from, to, blocks);
    case DType::kOpaque:
      return;
  }
}

}  // namespace emend
