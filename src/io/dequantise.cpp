#include "io/dequantise.h"

#include <bit>
#include <cstring>

namespace emend {
namespace {

constexpr std::size_t kBlock = 32;

template <typename Number>
Number load(const std::byte* from) {
  Number number;
  std::memcpy(&number, from, sizeof number);
  return number;
}

// Branch-free and in integer and float operations that exist as vectors. Normal numbers move their fields and
// are scaled by 2^-112; subnormal ones are read as fractions of 0.5 and lose it again. No operand is ever
// subnormal as a float, so a processor that flushes those gives the same.
inline float widen_half(std::uint16_t bits) {
  const std::uint32_t shifted = std::uint32_t{bits} << 16;
  const std::uint32_t sign = shifted & 0x80000000u;
  const std::uint32_t magnitude = shifted + shifted;
  const float normal = std::bit_cast<float>((magnitude >> 4) + (0xE0u << 23)) * 0x1p-112f;
  const float subnormal = std::bit_cast<float>((magnitude >> 17) | (126u << 23)) - 0.5f;
  const std::uint32_t value =
      magnitude < (1u << 27) ? std::bit_cast<std::uint32_t>(subnormal) : std::bit_cast<std::uint32_t>(normal);
  return std::bit_cast<float>(sign | value);
}

void widen_f16(const std::byte* __restrict from, float* __restrict to, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) to[i] = widen_half(load<std::uint16_t>(from + 2 * i));
}

void widen_bf16(const std::byte* __restrict from, float* __restrict to, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    to[i] = std::bit_cast<float>(std::uint32_t{load<std::uint16_t>(from + 2 * i)} << 16);
  }
}

void round_f64(const std::byte* __restrict from, float* __restrict to, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) to[i] = static_cast<float>(load<double>(from + 8 * i));
}

// Element e < 16 is the low half of byte e, element e + 16 its high half.

// f16 d; u8 qs[16]: (n - 8) d
void dequantise_q4_0(const std::byte* __restrict from, float* __restrict to, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b, from += 18, to += kBlock) {
    const float d = widen_half(load<std::uint16_t>(from));
    const auto* const qs = reinterpret_cast<const std::uint8_t*>(from + 2);
    for (std::size_t i = 0; i < 16; ++i) {
      to[i] = static_cast<float>((qs[i] & 15) - 8) * d;
      to[i + 16] = static_cast<float>((qs[i] >> 4) - 8) * d;
    }
  }
}

// f16 d; f16 m; u8 qs[16]: n d + m
void dequantise_q4_1(const std::byte* __restrict from, float* __restrict to, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b, from += 20, to += kBlock) {
    const float d = widen_half(load<std::uint16_t>(from));
    const float m = widen_half(load<std::uint16_t>(from + 2));
    const auto* const qs = reinterpret_cast<const std::uint8_t*>(from + 4);
    for (std::size_t i = 0; i < 16; ++i) {
      to[i] = static_cast<float>(qs[i] & 15) * d + m;
      to[i + 16] = static_cast<float>(qs[i] >> 4) * d + m;
    }
  }
}

// f16 d; i8 qs[32]: q d
void dequantise_q8_0(const std::byte* __restrict from, float* __restrict to, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b, from += 34, to += kBlock) {
    const float d = widen_half(load<std::uint16_t>(from));
    const auto* const qs = reinterpret_cast<const std::int8_t*>(from + 2);
    for (std::size_t i = 0; i < kBlock; ++i) to[i] = static_cast<float>(qs[i]) * d;
  }
}

}  // namespace

float half_to_float(std::uint16_t bits) {
  return widen_half(bits);
}

BlockSize block_size(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return {1, 4};
    case DType::kF16:
    case DType::kBF16:
      return {1, 2};
    case DType::kF64:
      return {1, 8};
    case DType::kQ4_0:
      return {kBlock, 18};
    case DType::kQ4_1:
      return {kBlock, 20};
    case DType::kQ8_0:
      return {kBlock, 34};
    case DType::kOpaque:
      return {0, 0};
  }
  return {0, 0};
}

void dequantise(DType dtype, const std::byte* from, float* to, std::size_t blocks) {
  switch (dtype) {
    case DType::kF32:
      if (blocks > 0) std::memcpy(to, from, 4 * blocks);
      return;
    case DType::kF16:
      return widen_f16(from, to, blocks);
    case DType::kBF16:
      return widen_bf16(from, to, blocks);
    case DType::kF64:
      return round_f64(from, to, blocks);
    case DType::kQ4_0:
      return dequantise_q4_0(from, to, blocks);
    case DType::kQ4_1:
      return dequantise_q4_1(from, to, blocks);
    case DType::kQ8_0:
      return dequantise_q8_0(from, to, blocks);
    case DType::kOpaque:
      return;
  }
}

}  // namespace emend
