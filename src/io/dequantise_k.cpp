// K-quants: blocks of 256 elements. h = e / 128, j = (e % 128) / 32, l = e % 32 for element e.
#include "io/dequantise.h"
#include "io/half.h"
#include "io/k_scales.h"

namespace emend {
namespace {

constexpr std::size_t kBlock = 256;

const std::uint8_t* unsigned_bytes(const std::byte* from) {
  return reinterpret_cast<const std::uint8_t*>(from);
}

float half_at(const std::byte* from) {
  return half_to_float(load<std::uint16_t>(from));
}

}  // namespace

// u8 scales[16]; u8 qs[64]; f16 d, dmin. 16 groups of 16: scale in the low half of a byte, minimum in the
// high.
void read_q2_k(const std::byte* __restrict from, float* __restrict to, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b, from += 84, to += kBlock) {
    const std::uint8_t* const scales = unsigned_bytes(from);
    const float d = half_at(from + 80), dmin = half_at(from + 82);
    for (std::size_t g = 0; g < 16; ++g) {
      const std::uint8_t* const qs = unsigned_bytes(from + 16 + 32 * (g / 8) + 16 * (g % 2));
      const unsigned shift = 2 * static_cast<unsigned>(g % 8 / 2);
      const float scale = d * static_cast<float>(scales[g] & 15);
      const float minimum = dmin * static_cast<float>(scales[g] >> 4);
      for (std::size_t i = 0; i < 16; ++i)
        to[16 * g + i] = scale * static_cast<float>((qs[i] >> shift) & 3) - minimum;
    }
  }
}

// u8 hmask[32]; u8 qs[64]; u8 scales[12]; f16 d. 16 groups of 16, scales of 6 bits that count from -32. Bit
// 4 h + j of hmask[l] clear: 4 less.
void read_q3_k(const std::byte* __restrict from, float* __restrict to, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b, from += 110, to += kBlock) {
    const float d = half_at(from + 108);
    const auto scales = unpack_q3_k_scales(unsigned_bytes(from + 96));
    for (std::size_t g = 0; g < 16; ++g) {
      const std::uint8_t* const qs = unsigned_bytes(from + 32 + 32 * (g / 8) + 16 * (g % 2));
      const std::uint8_t* const hmask = unsigned_bytes(from + 16 * (g % 2));
      const unsigned shift = 2 * static_cast<unsigned>(g % 8 / 2), bit = static_cast<unsigned>(g / 2);
      const float scale = d * static_cast<float>(scales[g] - 32);
      for (std::size_t i = 0; i < 16; ++i) {
        const int q = ((qs[i] >> shift) & 3) + 4 * ((hmask[i] >> bit) & 1) - 4;
        to[16 * g + i] = scale * static_cast<float>(q);
      }
    }
  }
}

// f16 d, dmin; u8 scales[12]; u8 qs[128]. 8 groups of 32 with scales and minima of 6 bits; even groups are
// the low halves of 32 bytes, odd ones the high halves.
void read_q4_k(const std::byte* __restrict from, float* __restrict to, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b, from += 144, to += kBlock) {
    const float d = half_at(from), dmin = half_at(from + 2);
    const KScales s = unpack_k_scales(unsigned_bytes(from + 4));
    for (std::size_t g = 0; g < 8; ++g) {
      const std::uint8_t* const qs = unsigned_bytes(from + 16 + 32 * (g / 2));
      const unsigned shift = 4 * static_cast<unsigned>(g % 2);
      const float scale = d * static_cast<float>(s.scale[g]);
      const float minimum = dmin * static_cast<float>(s.minimum[g]);
      for (std::size_t i = 0; i < 32; ++i)
        to[32 * g + i] = scale * static_cast<float>((qs[i] >> shift) & 15) - minimum;
    }
  }
}

// f16 d, dmin; u8 scales[12]; u8 qh[32]; u8 qs[128]. As Q4_K, with bit g of qh[l] as the fifth bit.
void read_q5_k(const std::byte* __restrict from, float* __restrict to, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b, from += 176, to += kBlock) {
    const float d = half_at(from), dmin = half_at(from + 2);
    const KScales s = unpack_k_scales(unsigned_bytes(from + 4));
    const std::uint8_t* const qh = unsigned_bytes(from + 16);
    for (std::size_t g = 0; g < 8; ++g) {
      const std::uint8_t* const qs = unsigned_bytes(from + 48 + 32 * (g / 2));
      const unsigned shift = 4 * static_cast<unsigned>(g % 2);
      const float scale = d * static_cast<float>(s.scale[g]);
      const float minimum = dmin * static_cast<float>(s.minimum[g]);
      for (std::size_t i = 0; i < 32; ++i) {
        const int q = ((qs[i] >> shift) & 15) + 16 * ((qh[i] >> g) & 1);
        to[32 * g + i] = scale * static_cast<float>(q) - minimum;
      }
    }
  }
}

// u8 ql[128]; u8 qh[64]; i8 scales[16]; f16 d. 16 groups of 16; quants of 6 bits that count from -32.
void read_q6_k(const std::byte* __restrict from, float* __restrict to, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b, from += 210, to += kBlock) {
    const auto* const scales = reinterpret_cast<const std::int8_t*>(from + 192);
    const float d = half_at(from + 208);
    for (std::size_t g = 0; g < 16; ++g) {
      const std::size_t h = g / 8, j = g % 8 / 2, l = 16 * (g % 2);
      const std::uint8_t* const ql = unsigned_bytes(from + 64 * h + 32 * (j % 2) + l);
      const std::uint8_t* const qh = unsigned_bytes(from + 128 + 32 * h + l);
      const unsigned low = 4 * static_cast<unsigned>(j / 2), high = 2 * static_cast<unsigned>(j);
      const float scale = d * static_cast<float>(scales[g]);
      for (std::size_t i = 0; i < 16; ++i) {
        const int q = (((ql[i] >> low) & 15) | (((qh[i] >> high) & 3) << 4)) - 32;
        to[16 * g + i] = scale * static_cast<float>(q);
      }
    }
  }
}

}  // namespace emend
