// float32 to and from the two 16-bit floats.
#pragma once

#include <bit>
#include <cstdint>

namespace emend {

// The value of the IEEE half with these bits. A signalling NaN comes out quiet, as from the hardware.
//
// Branch-free and in integer and float operations that exist as vectors. Normal numbers move their fields and
// are scaled by 2^-112; subnormal ones are read as fractions of 0.5 and lose it again. No operand is ever
// subnormal as a float, so a processor that flushes those gives the same.
inline float half_to_float(std::uint16_t bits) {
  const std::uint32_t shifted = std::uint32_t{bits} << 16;
  const std::uint32_t sign = shifted & 0x80000000u;
  const std::uint32_t magnitude = shifted + shifted;
  const float normal = std::bit_cast<float>((magnitude >> 4) + (0xE0u << 23)) * 0x1p-112f;
  const float subnormal = std::bit_cast<float>((magnitude >> 17) | (126u << 23)) - 0.5f;
  // A mask, since a compiler must not compute both sides of a choice where floating point may trap.
  const std::uint32_t is_subnormal = 0u - static_cast<std::uint32_t>(magnitude < (1u << 27));
  const std::uint32_t value = (std::bit_cast<std::uint32_t>(subnormal) & is_subnormal) |
                              (std::bit_cast<std::uint32_t>(normal) & ~is_subnormal);
  return std::bit_cast<float>(sign | value);
}

// The IEEE half nearest to `value`, ties to even. From 65520 on: infinity. NaN stays NaN, quiet.
inline std::uint16_t float_to_half(float value) {
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

inline float bfloat16_to_float(std::uint16_t bits) {
  return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

// The bfloat16 nearest to `value`, ties to even. NaN stays NaN, quiet.
inline std::uint16_t float_to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace emend
