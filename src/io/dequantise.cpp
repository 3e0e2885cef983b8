#include "io/dequantise.h"

#include <array>

#include "io/half.h"

namespace emend {
namespace {

constexpr std::size_t kBlock = 32;

const std::uint8_t* unsigned_bytes(const std::byte* from) {
  return reinterpret_cast<const std::uint8_t*>(from);
}

// One bit for each element: shifts by different numbers are no vector operation on every processor, masks
// are.
constexpr auto kBits = [] {
  std::array<std::uint32_t, kBlock> bits{};
  for (std::size_t i = 0; i < kBlock; ++i) bits[i] = std::uint32_t{1} << i;
  return bits;
}();

}  // namespace

void read_f32(const std::byte* from, float* to, std::size_t blocks) {
  if (blocks > 0) std::memcpy(to, from, 4 * blocks);
}

void read_f16(const std::byte* __restrict from, float* __restrict to, std::size_t blocks) {
  for (std::size_t i = 0; i < blocks; ++i) to[i] = half_to_float(load<std::uint16_t>(from + 2 * i));
}

void read_bf16(const std::byte* __restrict from, float* __restrict to, std::size_t blocks) {
  for (std::size_t i = 0; i < blocks; ++i) to[i] = bfloat16_to_float(load<std::uint16_t>(from + 2 * i));
}

void read_f64(const std::byte* __restrict from, float* __restrict to, std::size_t blocks) {
  for (std::size_t i = 0; i < blocks; ++i) to[i] = static_cast<float>(load<double>(from + 8 * i));
}

// Element e < 16 is the low half of byte e, element e + 16 its high half.

// f16 d; u8 qs[16]: (n - 8) d
void read_q4_0(const std::byte* __restrict from, float* __restrict to, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b, from += 18, to += kBlock) {
    const float d = half_to_float(load<std::uint16_t>(from));
    const std::uint8_t* const qs = unsigned_bytes(from + 2);
    for (std::size_t i = 0; i < 16; ++i) {
      to[i] = static_cast<float>((qs[i] & 15) - 8) * d;
      to[i + 16] = static_cast<float>((qs[i] >> 4) - 8) * d;
    }
  }
}

// f16 d; f16 m; u8 qs[16]: n d + m
void read_q4_1(const std::byte* __restrict from, float* __restrict to, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b, from += 20, to += kBlock) {
    const float d = half_to_float(load<std::uint16_t>(from));
    const float m = half_to_float(load<std::uint16_t>(from + 2));
    const std::uint8_t* const qs = unsigned_bytes(from + 4);
    for (std::size_t i = 0; i < 16; ++i) {
      to[i] = static_cast<float>(qs[i] & 15) * d + m;
      to[i + 16] = static_cast<float>(qs[i] >> 4) * d + m;
    }
  }
}

// f16 d; u32 qh; u8 qs[16]: (n - 16) d, bit e of qh is the fifth bit of element e
void read_q5_0(const std::byte* __restrict from, float* __restrict to, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b, from += 22, to += kBlock) {
    const float d = half_to_float(load<std::uint16_t>(from));
    const auto qh = load<std::uint32_t>(from + 2);
    const std::uint8_t* const qs = unsigned_bytes(from + 6);
    for (std::size_t i = 0; i < 16; ++i) {
      const int low = (qs[i] & 15) + ((qh & kBits[i]) != 0 ? 16 : 0);
      const int high = (qs[i] >> 4) + ((qh & kBits[i + 16]) != 0 ? 16 : 0);
      to[i] = static_cast<float>(low - 16) * d;
      to[i + 16] = static_cast<float>(high - 16) * d;
    }
  }
}

// f16 d; f16 m; u32 qh; u8 qs[16]: n d + m
void read_q5_1(const std::byte* __restrict from, float* __restrict to, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b, from += 24, to += kBlock) {
    const float d = half_to_float(load<std::uint16_t>(from));
    const float m = half_to_float(load<std::uint16_t>(from + 2));
    const auto qh = load<std::uint32_t>(from + 4);
    const std::uint8_t* const qs = unsigned_bytes(from + 8);
    for (std::size_t i = 0; i < 16; ++i) {
      const int low = (qs[i] & 15) + ((qh & kBits[i]) != 0 ? 16 : 0);
      const int high = (qs[i] >> 4) + ((qh & kBits[i + 16]) != 0 ? 16 : 0);
      to[i] = static_cast<float>(low) * d + m;
      to[i + 16] = static_cast<float>(high) * d + m;
    }
  }
}

// f16 d; i8 qs[32]: q d
void read_q8_0(const std::byte* __restrict from, float* __restrict to, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b, from += 34, to += kBlock) {
    const float d = half_to_float(load<std::uint16_t>(from));
    const auto* const qs = reinterpret_cast<const std::int8_t*>(from + 2);
    for (std::size_t i = 0; i < kBlock; ++i) to[i] = static_cast<float>(qs[i]) * d;
  }
}

}  // namespace emend
