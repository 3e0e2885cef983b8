// Types whose quants name one of a few fixed levels: IQ4, MXFP4, and the ternary ones.
#include "io/dequantise.h"
#include "io/half.h"

namespace emend {
namespace {

const std::uint8_t* unsigned_bytes(const std::byte* from) {
  return reinterpret_cast<const std::uint8_t*>(from);
}

// 32 elements: element e < 16 is the low half of byte e, element e + 16 its high half.
void read_levels(const std::int8_t* levels, float scale, const std::uint8_t* __restrict qs,
                 float* __restrict to) {
  float values[16];
  for (std::size_t code = 0; code < 16; ++code) values[code] = scale * static_cast<float>(levels[code]);
  for (std::size_t i = 0; i < 16; ++i) {
    to[i] = values[qs[i] & 15];
    to[i + 16] = values[qs[i] >> 4];
  }
}

// `count` bytes hold `digits` x `count` base-3 digits, most significant first, as fractions of 256: a digit
// is the whole part of 3 x byte / 256 after the digits before it were shifted out.
float* read_base_3(const std::uint8_t* __restrict qs, std::size_t count, std::size_t digits, float d,
                   float* __restrict to) {
  unsigned power = 1;
  for (std::size_t n = 0; n < digits; ++n, power *= 3, to += count)
    for (std::size_t i = 0; i < count; ++i) {
      const unsigned rest = (qs[i] * power) & 255;
      to[i] = d * static_cast<float>(static_cast<int>((rest * 3) >> 8) - 1);
    }
  return to;
}

}  // namespace

// f16 d; u8 qs[16]
void read_iq4_nl(const std::byte* __restrict from, float* __restrict to, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b, from += 18, to += 32)
    read_levels(kIq4Levels, half_to_float(load<std::uint16_t>(from)), unsigned_bytes(from + 2), to);
}

// f16 d; u16 scales_h; u8 scales_l[4]; u8 qs[128]. 8 groups of 32 with scales of 6 bits that count from -32.
void read_iq4_xs(const std::byte* __restrict from, float* __restrict to, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b, from += 136, to += 256) {
    const float d = half_to_float(load<std::uint16_t>(from));
    const unsigned high = load<std::uint16_t>(from + 2);
    const std::uint8_t* const low = unsigned_bytes(from + 4);
    for (std::size_t g = 0; g < 8; ++g) {
      const unsigned scale = ((low[g / 2] >> (4 * (g % 2))) & 15u) | (((high >> (2 * g)) & 3u) << 4);
      read_levels(kIq4Levels, d * static_cast<float>(static_cast<int>(scale) - 32),
                  unsigned_bytes(from + 8 + 16 * g), to + 32 * g);
    }
  }
}

// u8 e; u8 qs[16]
void read_mxfp4(const std::byte* __restrict from, float* __restrict to, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b, from += 17, to += 32)
    read_levels(kMxfp4Levels, half_power(std::to_integer<std::uint8_t>(*from)), unsigned_bytes(from + 1), to);
}

// u8 qs[48]; u8 qh[4]; f16 d. 32 bytes of 5 digits, 16 bytes of 5, 4 bytes of 4.
void read_tq1_0(const std::byte* __restrict from, float* __restrict to, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b, from += 54) {
    const float d = half_to_float(load<std::uint16_t>(from + 52));
    const std::uint8_t* const qs = unsigned_bytes(from);
    to = read_base_3(qs, 32, 5, d, to);
    to = read_base_3(qs + 32, 16, 5, d, to);
    to = read_base_3(qs + 48, 4, 4, d, to);
  }
}

// u8 qs[64]; f16 d: (n - 1) d for the 2 bits at 2 j of byte 32 h + l
void read_tq2_0(const std::byte* __restrict from, float* __restrict to, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b, from += 66, to += 256) {
    const float d = half_to_float(load<std::uint16_t>(from + 64));
    for (std::size_t g = 0; g < 8; ++g) {
      const std::uint8_t* const qs = unsigned_bytes(from + 32 * (g / 4));
      const unsigned shift = 2 * static_cast<unsigned>(g % 4);
      for (std::size_t i = 0; i < 32; ++i)
        to[32 * g + i] = d * static_cast<float>(static_cast<int>((qs[i] >> shift) & 3u) - 1);
    }
  }
}

}  // namespace emend
