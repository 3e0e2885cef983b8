#include "io/block_format.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "io/dequantise.h"
#include "io/half.h"
#include "io/k_scales.h"

namespace emend {
namespace {

template <typename Number>
void store(std::byte* to, Number number) {
  std::memcpy(to, &number, sizeof number);
}

std::uint8_t* unsigned_bytes(std::byte* to) {
  return reinterpret_cast<std::uint8_t*>(to);
}

const std::uint8_t* unsigned_bytes(const std::byte* from) {
  return reinterpret_cast<const std::uint8_t*>(from);
}

// 32 codes in 16 bytes: element e < 16 is the low half of byte e, element e + 16 its high half.
void pack_halves(const std::uint8_t* codes, std::byte* to) {
  for (std::size_t i = 0; i < 16; ++i)
    to[i] = static_cast<std::byte>((codes[i] & 15) | ((codes[i + 16] & 15) << 4));
}

void unpack_halves(const std::byte* from, std::uint8_t* codes) {
  for (std::size_t i = 0; i < 16; ++i) {
    const auto byte = std::to_integer<std::uint8_t>(from[i]);
    codes[i] = byte & 15;
    codes[i + 16] = byte >> 4;
  }
}

void pack_fifth_bits(const BlockCodes& codes, std::byte* to) {
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < 32; ++i) bits |= ((std::uint32_t{codes[i]} >> 4) & 1) << i;
  store(to, bits);
}

void unpack_fifth_bits(const std::byte* from, BlockCodes& codes) {
  const auto bits = load<std::uint32_t>(from);
  for (std::size_t i = 0; i < 32; ++i) codes[i] |= static_cast<std::uint8_t>(((bits >> i) & 1) << 4);
}

// Blocks of 32: d, perhaps m, perhaps the fifth bits, then halves of bytes.
template <bool kMinimum, bool kFifth>
void pack_32(const BlockScales& scales, const BlockCodes& codes, std::byte* to) {
  store(to, scales.d);
  to += 2;
  if constexpr (kMinimum) {
    store(to, scales.dmin);
    to += 2;
  }
  if constexpr (kFifth) {
    pack_fifth_bits(codes, to);
    to += 4;
  }
  pack_halves(codes.data(), to);
}

template <bool kMinimum, bool kFifth>
void unpack_32(const std::byte* from, BlockScales& scales, BlockCodes& codes) {
  constexpr std::size_t kBits = kMinimum ? 4 : 2;
  scales.d = load<std::uint16_t>(from);
  if constexpr (kMinimum) scales.dmin = load<std::uint16_t>(from + 2);
  unpack_halves(from + kBits + (kFifth ? 4 : 0), codes.data());
  if constexpr (kFifth) unpack_fifth_bits(from + kBits, codes);
}

void pack_q8_0(const BlockScales& scales, const BlockCodes& codes, std::byte* to) {
  store(to, scales.d);
  for (std::size_t i = 0; i < 32; ++i) to[2 + i] = static_cast<std::byte>(codes[i] - 128);
}

void unpack_q8_0(const std::byte* from, BlockScales& scales, BlockCodes& codes) {
  scales.d = load<std::uint16_t>(from);
  for (std::size_t i = 0; i < 32; ++i)
    codes[i] = static_cast<std::uint8_t>(std::to_integer<int>(from[2 + i]) + 128);
}

// 256 codes whose bits from `first` on, `width` of them, lie in planes: byte 32 k' + l of `bytes` holds those
// of the elements 32 k + l for all k that share k' = k / (8 / width) from the lowest bits on.
void pack_plane(const BlockCodes& codes, unsigned first, unsigned width, std::byte* bytes) {
  const unsigned mask = (1u << width) - 1, per_byte = 8 / width;
  std::memset(bytes, 0, 32 * width);
  for (unsigned k = 0; k < 8; ++k)
    for (unsigned l = 0; l < 32; ++l)
      unsigned_bytes(bytes)[32 * (k / per_byte) + l] |=
          static_cast<std::uint8_t>(((codes[32 * k + l] >> first) & mask) << (width * (k % per_byte)));
}

void unpack_plane(const std::byte* bytes, unsigned first, unsigned width, BlockCodes& codes) {
  const unsigned mask = (1u << width) - 1, per_byte = 8 / width;
  for (unsigned k = 0; k < 8; ++k)
    for (unsigned l = 0; l < 32; ++l) {
      const unsigned byte = unsigned_bytes(bytes)[32 * (k / per_byte) + l];
      codes[32 * k + l] |= static_cast<std::uint8_t>(((byte >> (width * (k % per_byte))) & mask) << first);
    }
}

void pack_q2_k(const BlockScales& scales, const BlockCodes& codes, std::byte* to) {
  for (std::size_t g = 0; g < 16; ++g)
    to[g] = static_cast<std::byte>(scales.scale_code[g] | (scales.minimum_code[g] << 4));
  pack_plane(codes, 0, 2, to + 16);
  store(to + 80, scales.d);
  store(to + 82, scales.dmin);
}

void unpack_q2_k(const std::byte* from, BlockScales& scales, BlockCodes& codes) {
  for (std::size_t g = 0; g < 16; ++g) {
    scales.scale_code[g] = unsigned_bytes(from)[g] & 15;
    scales.minimum_code[g] = unsigned_bytes(from)[g] >> 4;
  }
  unpack_plane(from + 16, 0, 2, codes);
  scales.d = load<std::uint16_t>(from + 80);
  scales.dmin = load<std::uint16_t>(from + 82);
}

void pack_q3_k(const BlockScales& scales, const BlockCodes& codes, std::byte* to) {
  pack_plane(codes, 2, 1, to);
  pack_plane(codes, 0, 2, to + 32);
  std::array<std::uint8_t, 16> stored{};
  for (std::size_t g = 0; g < 16; ++g) stored[g] = static_cast<std::uint8_t>(scales.scale_code[g] + 32);
  pack_q3_k_scales(stored, unsigned_bytes(to + 96));
  store(to + 108, scales.d);
}

void unpack_q3_k(const std::byte* from, BlockScales& scales, BlockCodes& codes) {
  unpack_plane(from, 2, 1, codes);
  unpack_plane(from + 32, 0, 2, codes);
  const auto stored = unpack_q3_k_scales(unsigned_bytes(from + 96));
  for (std::size_t g = 0; g < 16; ++g) scales.scale_code[g] = static_cast<std::int16_t>(stored[g] - 32);
  scales.d = load<std::uint16_t>(from + 108);
}

void pack_two_codes(const BlockScales& scales, std::byte* to) {
  KScales stored{};
  for (std::size_t g = 0; g < 8; ++g) {
    stored.scale[g] = static_cast<std::uint8_t>(scales.scale_code[g]);
    stored.minimum[g] = static_cast<std::uint8_t>(scales.minimum_code[g]);
  }
  store(to, scales.d);
  store(to + 2, scales.dmin);
  pack_k_scales(stored, unsigned_bytes(to + 4));
}

void unpack_two_codes(const std::byte* from, BlockScales& scales) {
  const KScales stored = unpack_k_scales(unsigned_bytes(from + 4));
  for (std::size_t g = 0; g < 8; ++g) {
    scales.scale_code[g] = stored.scale[g];
    scales.minimum_code[g] = stored.minimum[g];
  }
  scales.d = load<std::uint16_t>(from);
  scales.dmin = load<std::uint16_t>(from + 2);
}

void pack_q4_k(const BlockScales& scales, const BlockCodes& codes, std::byte* to) {
  pack_two_codes(scales, to);
  pack_plane(codes, 0, 4, to + 16);
}

void unpack_q4_k(const std::byte* from, BlockScales& scales, BlockCodes& codes) {
  unpack_two_codes(from, scales);
  unpack_plane(from + 16, 0, 4, codes);
}

void pack_q5_k(const BlockScales& scales, const BlockCodes& codes, std::byte* to) {
  pack_two_codes(scales, to);
  pack_plane(codes, 4, 1, to + 16);
  pack_plane(codes, 0, 4, to + 48);
}

void unpack_q5_k(const std::byte* from, BlockScales& scales, BlockCodes& codes) {
  unpack_two_codes(from, scales);
  unpack_plane(from + 16, 4, 1, codes);
  unpack_plane(from + 48, 0, 4, codes);
}

// The low 4 bits of Q6_K: in each half of the block, the lower 64 elements are the low halves of 64 bytes.
void pack_q6_k(const BlockScales& scales, const BlockCodes& codes, std::byte* to) {
  for (std::size_t h = 0; h < 2; ++h)
    for (std::size_t i = 0; i < 64; ++i)
      to[64 * h + i] =
          static_cast<std::byte>((codes[128 * h + i] & 15) | ((codes[128 * h + 64 + i] & 15) << 4));
  pack_plane(codes, 4, 2, to + 128);
  for (std::size_t g = 0; g < 16; ++g) to[192 + g] = static_cast<std::byte>(scales.scale_code[g]);
  store(to + 208, scales.d);
}

void unpack_q6_k(const std::byte* from, BlockScales& scales, BlockCodes& codes) {
  for (std::size_t h = 0; h < 2; ++h)
    for (std::size_t i = 0; i < 64; ++i) {
      codes[128 * h + i] = unsigned_bytes(from)[64 * h + i] & 15;
      codes[128 * h + 64 + i] = unsigned_bytes(from)[64 * h + i] >> 4;
    }
  unpack_plane(from + 128, 4, 2, codes);
  for (std::size_t g = 0; g < 16; ++g) {
    const int code = std::to_integer<int>(from[192 + g]);  // of a signed byte
    scales.scale_code[g] = static_cast<std::int16_t>(code < 128 ? code : code - 256);
  }
  scales.d = load<std::uint16_t>(from + 208);
}

void pack_iq4_xs(const BlockScales& scales, const BlockCodes& codes, std::byte* to) {
  unsigned high = 0;
  std::memset(to + 4, 0, 4);
  for (unsigned g = 0; g < 8; ++g) {
    const auto stored = static_cast<unsigned>(scales.scale_code[g] + 32);
    unsigned_bytes(to)[4 + g / 2] |= static_cast<std::uint8_t>((stored & 15) << (4 * (g % 2)));
    high |= (stored >> 4) << (2 * g);
    pack_halves(&codes[32 * g], to + 8 + 16 * g);
  }
  store(to, scales.d);
  store(to + 2, static_cast<std::uint16_t>(high));
}

void unpack_iq4_xs(const std::byte* from, BlockScales& scales, BlockCodes& codes) {
  const unsigned high = load<std::uint16_t>(from + 2);
  for (unsigned g = 0; g < 8; ++g) {
    const int low = (unsigned_bytes(from)[4 + g / 2] >> (4 * (g % 2))) & 15;
    scales.scale_code[g] =
        static_cast<std::int16_t>((low | static_cast<int>(((high >> (2 * g)) & 3) << 4)) - 32);
    unpack_halves(from + 8 + 16 * g, &codes[32 * g]);
  }
  scales.d = load<std::uint16_t>(from);
}

void pack_mxfp4(const BlockScales& scales, const BlockCodes& codes, std::byte* to) {
  to[0] = static_cast<std::byte>(scales.d);
  pack_halves(codes.data(), to + 1);
}

void unpack_mxfp4(const std::byte* from, BlockScales& scales, BlockCodes& codes) {
  scales.d = std::to_integer<std::uint8_t>(from[0]);
  unpack_halves(from + 1, codes.data());
}

void pack_tq2_0(const BlockScales& scales, const BlockCodes& codes, std::byte* to) {
  pack_plane(codes, 0, 2, to);
  store(to + 64, scales.d);
}

void unpack_tq2_0(const std::byte* from, BlockScales& scales, BlockCodes& codes) {
  unpack_plane(from, 0, 2, codes);
  scales.d = load<std::uint16_t>(from + 64);
}

// Base-3 digits, most significant first, as a fraction of 256 rounded up: element k count + i is digit k of
// byte i.
void pack_digits(const std::uint8_t* codes, std::size_t count, std::size_t digits, std::byte* to) {
  for (std::size_t i = 0; i < count; ++i) {
    unsigned number = 0;
    for (std::size_t k = 0; k < 5; ++k) number = 3 * number + (k < digits ? codes[k * count + i] : 0u);
    to[i] = static_cast<std::byte>((number * 256 + 242) / 243);
  }
}

void unpack_digits(const std::byte* from, std::size_t count, std::size_t digits, std::uint8_t* codes) {
  for (std::size_t i = 0; i < count; ++i) {
    unsigned rest = std::to_integer<unsigned>(from[i]);
    for (std::size_t k = 0; k < digits; ++k, rest = (3 * rest) & 255)
      codes[k * count + i] = static_cast<std::uint8_t>((3 * rest) >> 8);
  }
}

void pack_tq1_0(const BlockScales& scales, const BlockCodes& codes, std::byte* to) {
  pack_digits(codes.data(), 32, 5, to);
  pack_digits(&codes[160], 16, 5, to + 32);
  pack_digits(&codes[240], 4, 4, to + 48);
  store(to + 52, scales.d);
}

void unpack_tq1_0(const std::byte* from, BlockScales& scales, BlockCodes& codes) {
  unpack_digits(from, 32, 5, codes.data());
  unpack_digits(from + 32, 16, 5, &codes[160]);
  unpack_digits(from + 48, 4, 4, &codes[240]);
  scales.d = load<std::uint16_t>(from + 52);
}

std::uint8_t nearest_listed(const std::int8_t* levels, std::uint32_t count, float level) {
  std::uint8_t best = 0;
  for (std::uint32_t code = 1; code < count; ++code)
    if (std::abs(level - static_cast<float>(levels[code])) <
        std::abs(level - static_cast<float>(levels[best])))
      best = static_cast<std::uint8_t>(code);
  return best;
}

}  // namespace

constexpr BlockFormat kQ4_0Format{
    32, 1, 16, -8, nullptr, GroupScales::kHalf, 0, 0, pack_32<false, false>, unpack_32<false, false>};
constexpr BlockFormat kQ4_1Format{
    32, 1, 16, 0, nullptr, GroupScales::kHalfAndHalf, 0, 0, pack_32<true, false>, unpack_32<true, false>};
constexpr BlockFormat kQ5_0Format{
    32, 1, 32, -16, nullptr, GroupScales::kHalf, 0, 0, pack_32<false, true>, unpack_32<false, true>};
constexpr BlockFormat kQ5_1Format{
    32, 1, 32, 0, nullptr, GroupScales::kHalfAndHalf, 0, 0, pack_32<true, true>, unpack_32<true, true>};
constexpr BlockFormat kQ8_0Format{32, 1, 256,       -128,       nullptr, GroupScales::kHalf,
                                  0,  0, pack_q8_0, unpack_q8_0};
constexpr BlockFormat kQ2_KFormat{256, 16, 4,         0,          nullptr, GroupScales::kTwoCodes,
                                  0,   15, pack_q2_k, unpack_q2_k};
constexpr BlockFormat kQ3_KFormat{256, 16, 8,         -4,         nullptr, GroupScales::kCodes,
                                  -32, 31, pack_q3_k, unpack_q3_k};
constexpr BlockFormat kQ4_KFormat{256, 8,  16,        0,          nullptr, GroupScales::kTwoCodes,
                                  0,   63, pack_q4_k, unpack_q4_k};
constexpr BlockFormat kQ5_KFormat{256, 8,  32,        0,          nullptr, GroupScales::kTwoCodes,
                                  0,   63, pack_q5_k, unpack_q5_k};
constexpr BlockFormat kQ6_KFormat{256,  16,  64,        -32,        nullptr, GroupScales::kCodes,
                                  -128, 127, pack_q6_k, unpack_q6_k};
constexpr BlockFormat kIq4NlFormat{
    32, 1, 16, 0, kIq4Levels, GroupScales::kHalf, 0, 0, pack_32<false, false>, unpack_32<false, false>};
constexpr BlockFormat kIq4XsFormat{256, 8,           16,           0, kIq4Levels, GroupScales::kCodes, -32,
                                   31,  pack_iq4_xs, unpack_iq4_xs};
constexpr BlockFormat kMxfp4Format{32, 1, 16,         0,           kMxfp4Levels, GroupScales::kPower,
                                   0,  0, pack_mxfp4, unpack_mxfp4};
constexpr BlockFormat kTq1_0Format{256, 1, 3,          -1,          nullptr, GroupScales::kHalf,
                                   0,   0, pack_tq1_0, unpack_tq1_0};
constexpr BlockFormat kTq2_0Format{256, 1, 4,          -1,          nullptr, GroupScales::kHalf,
                                   0,   0, pack_tq2_0, unpack_tq2_0};

float BlockFormat::value(const BlockScales& s, std::size_t i, std::uint8_t code) const {
  const std::size_t g = i / group_elements();
  return s.scale[g] * level(code) - s.minimum[g];
}

std::uint8_t BlockFormat::round(const BlockScales& s, std::size_t i, float wanted) const {
  const std::size_t g = i / group_elements();
  const float quotient = (wanted + s.minimum[g]) / s.scale[g];
  const float wanted_level = s.scale[g] == 0 ? 0.0F : quotient;
  if (levels != nullptr) return nearest_listed(levels, code_count, wanted_level);
  const float last = static_cast<float>(code_count - 1);
  const float place = std::nearbyint(wanted_level - static_cast<float>(lowest));
  return static_cast<std::uint8_t>(place >= last ? last : place > 0 ? place : 0.0F);  // NaN: 0
}

void BlockFormat::unpack(const std::byte* from, BlockScales& s, BlockCodes& codes) const {
  codes.fill(0);
  unpack_block(from, s, codes);
  apply_codes(s);
}

void BlockFormat::apply_codes(BlockScales& s) const {
  const float d = half_to_float(s.d), dmin = half_to_float(s.dmin);
  for (std::size_t g = 0; g < groups; ++g) {
    switch (group_scales) {
      case GroupScales::kHalf:
        s.scale[g] = d;
        break;
      case GroupScales::kHalfAndHalf:
        s.scale[g] = d;
        s.minimum[g] = -dmin;
        break;
      case GroupScales::kTwoCodes:
        s.minimum[g] = dmin * static_cast<float>(s.minimum_code[g]);
        [[fallthrough]];
      case GroupScales::kCodes:
        s.scale[g] = d * static_cast<float>(s.scale_code[g]);
        break;
      case GroupScales::kPower:
        s.scale[g] = half_power(static_cast<std::uint8_t>(s.d));
        break;
    }
  }
}

double mean_square_step(const BlockFormat& format, std::size_t block_bytes,
                        std::span<const std::byte> blocks) {
  const double levels = format.level(static_cast<std::uint8_t>(format.code_count - 1)) - format.level(0);
  const double spacing =
      format.levels == nullptr ? 1 : std::abs(levels) / (static_cast<double>(format.code_count) - 1);
  const std::size_t count = blocks.size() / block_bytes;
  double sum = 0;
  BlockCodes codes;
  for (std::size_t b = 0; b < count; ++b) {
    BlockScales scales;
    format.unpack(&blocks[b * block_bytes], scales, codes);
    for (std::size_t g = 0; g < format.groups; ++g) sum += std::pow(scales.scale[g] * spacing, 2);
  }
  return count == 0 ? 0 : sum / static_cast<double>(count * format.groups);
}

}  // namespace emend
