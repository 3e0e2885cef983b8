// The packed 6-bit scales of K-quants.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace emend {

// Scales and minima of the 8 groups of a Q4_K or Q5_K block, 0 to 63.
struct KScales {
  std::array<std::uint8_t, 8> scale, minimum;
};

// 12 bytes: the low 6 bits of bytes 0-3 and 4-7 are scales and minima of groups 0-3; for groups 4-7 byte
// 8 + i has the low 4 bits of both, and the top 2 bits of bytes 0-7 are the high ones.
inline KScales unpack_k_scales(const std::uint8_t* from) {
  KScales result{};
  for (std::size_t g = 0; g < 4; ++g) {
    result.scale[g] = from[g] & 63;
    result.minimum[g] = from[g + 4] & 63;
    result.scale[g + 4] = static_cast<std::uint8_t>((from[g + 8] & 15) | ((from[g] >> 6) << 4));
    result.minimum[g + 4] = static_cast<std::uint8_t>((from[g + 8] >> 4) | ((from[g + 4] >> 6) << 4));
  }
  return result;
}

inline void pack_k_scales(const KScales& from, std::uint8_t* to) {
  for (std::size_t g = 0; g < 4; ++g) {
    to[g] = static_cast<std::uint8_t>(from.scale[g] | ((from.scale[g + 4] >> 4) << 6));
    to[g + 4] = static_cast<std::uint8_t>(from.minimum[g] | ((from.minimum[g + 4] >> 4) << 6));
    to[g + 8] = static_cast<std::uint8_t>((from.scale[g + 4] & 15) | ((from.minimum[g + 4] & 15) << 4));
  }
}

// Scales of the 16 groups of a Q3_K block, 0 to 63 (32 means 0). 12 bytes: the low 4 bits of scale g are a
// half of byte g % 8, its high 2 bits those at 2 (g / 4) of byte 8 + g % 4.
inline std::array<std::uint8_t, 16> unpack_q3_k_scales(const std::uint8_t* from) {
  std::array<std::uint8_t, 16> scales{};
  for (std::size_t g = 0; g < 16; ++g) {
    const int low = g < 8 ? from[g] & 15 : from[g - 8] >> 4;
    scales[g] = static_cast<std::uint8_t>(low | (((from[8 + g % 4] >> (2 * (g / 4))) & 3) << 4));
  }
  return scales;
}

inline void pack_q3_k_scales(const std::array<std::uint8_t, 16>& from, std::uint8_t* to) {
  for (std::size_t i = 0; i < 8; ++i)
    to[i] = static_cast<std::uint8_t>((from[i] & 15) | ((from[i + 8] & 15) << 4));
  for (std::size_t i = 0; i < 4; ++i)
    to[8 + i] = static_cast<std::uint8_t>((from[i] >> 4) | ((from[i + 4] >> 4) << 2) |
                                          ((from[i + 8] >> 4) << 4) | ((from[i + 12] >> 4) << 6));
}

}  // namespace emend
