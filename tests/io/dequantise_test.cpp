#include "io/dequantise.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <random>

#include "tests/io/byte_builder.h"

namespace emend {
namespace {

using namespace test;  // builders only

std::vector<float> run(DType dtype, const std::string& bytes) {
  const BlockSize size = block_size(dtype);
  const std::size_t blocks = bytes.size() / size.bytes;
  std::vector<float> values(blocks * size.elements);
  // One byte further, so that nothing is aligned.
  const std::string shifted = "x" + bytes;
  dequantise(dtype, bytes_of(shifted).data() + 1, values.data(), blocks);
  return values;
}

std::string half(std::uint16_t bits) {
  return little(bits);
}

// 0x10, 0x32, ...: nibbles 0, 2, 4, ... low and 1, 3, 5, ... high, twice.
std::string counting_nibbles() {
  std::string qs;
  for (int i = 0; i < 16; ++i) qs += static_cast<char>((2 * i) % 16 | ((2 * i + 1) % 16) << 4);
  return qs;
}

TEST(HalfToFloat, LandmarksAreExact) {
  EXPECT_EQ(half_to_float(0x0000), 0.0f);
  EXPECT_TRUE(std::signbit(half_to_float(0x8000)));
  EXPECT_EQ(half_to_float(0x3C00), 1.0f);
  EXPECT_EQ(half_to_float(0xC000), -2.0f);
  EXPECT_EQ(half_to_float(0x3555), 0.333251953125f);
  EXPECT_EQ(half_to_float(0x7BFF), 65504.0f);
  EXPECT_EQ(half_to_float(0x0400), 0x1p-14f);         // smallest normal
  EXPECT_EQ(half_to_float(0x03FF), 1023 * 0x1p-24f);  // largest subnormal
  EXPECT_EQ(half_to_float(0x0001), 0x1p-24f);
  EXPECT_EQ(half_to_float(0x7C00), INFINITY);
  EXPECT_EQ(half_to_float(0xFC00), -INFINITY);
  EXPECT_TRUE(std::isnan(half_to_float(0x7E00)));
  EXPECT_TRUE(std::isnan(half_to_float(0x7C01)));
}

TEST(HalfToFloat, EveryHalfHasItsValue) {
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const int exponent = static_cast<int>(bits >> 10 & 31);
    const auto mantissa = static_cast<double>(bits & 1023);
    const double sign = bits >> 15 != 0 ? -1 : 1;
    const float value = half_to_float(static_cast<std::uint16_t>(bits));
    if (exponent == 31) {
      ASSERT_EQ(std::isinf(value), mantissa == 0) << bits;
      ASSERT_EQ(std::isnan(value), mantissa != 0) << bits;
    } else {
      const double expected =
          exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
      ASSERT_EQ(value, sign * expected) << bits;
    }
    ASSERT_EQ(std::signbit(value), bits >> 15 != 0) << bits;
  }
}

TEST(Dequantise, F32AndBF16KeepTheirBits) {
  EXPECT_EQ(run(DType::kF32, little(1.25f) + little(-0.0f)), (std::vector<float>{1.25f, -0.0f}));
  const std::vector<float> values =
      run(DType::kBF16, half(0x3F80) + half(0xC0A0) + half(0x0001) + half(0x7FA1));
  EXPECT_EQ(values[0], 1.0f);
  EXPECT_EQ(values[1], -5.0f);
  EXPECT_EQ(std::bit_cast<std::uint32_t>(values[2]), 0x00010000u);
  EXPECT_EQ(std::bit_cast<std::uint32_t>(values[3]), 0x7FA10000u);
}

TEST(Dequantise, F64IsRoundedToNearestEven) {
  const std::vector<float> values =
      run(DType::kF64,
          little(0.1) + little(1 + 0x1p-24) + little(1 + 3 * 0x1p-24) + little(1e300) + little(-1e-300));
  EXPECT_EQ(values[0], 0.1f);
  EXPECT_EQ(values[1], 1.0f);
  EXPECT_EQ(values[2], 1.0f + 0x1p-22f);
  EXPECT_EQ(values[3], INFINITY);
  EXPECT_TRUE(values[4] == 0 && std::signbit(values[4]));
}

TEST(Dequantise, F16AsEveryHalf) {
  std::string bytes;
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) bytes += half(static_cast<std::uint16_t>(bits));
  const std::vector<float> values = run(DType::kF16, bytes);
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    ASSERT_EQ(std::bit_cast<std::uint32_t>(values[bits]),
              std::bit_cast<std::uint32_t>(half_to_float(static_cast<std::uint16_t>(bits))));
  }
}

// d = 0.5: (n - 8) / 2. Low nibbles 0, 2, 4, ... are the elements 0 to 15, high ones 1, 3, 5, ... 16 to 31.
TEST(Dequantise, Q4_0ByHand) {
  const std::vector<float> values = run(DType::kQ4_0, half(0x3800) + counting_nibbles());
  ASSERT_EQ(values.size(), 32u);
  EXPECT_EQ(values[0], -4.0f);
  EXPECT_EQ(values[1], -3.0f);
  EXPECT_EQ(values[7], 3.0f);
  EXPECT_EQ(values[8], -4.0f);
  EXPECT_EQ(values[16], -3.5f);
  EXPECT_EQ(values[23], 3.5f);
  EXPECT_EQ(values[31], 3.5f);
}

// d = 0.25, m = -1: n / 4 - 1.
TEST(Dequantise, Q4_1ByHand) {
  const std::vector<float> values = run(DType::kQ4_1, half(0x3400) + half(0xBC00) + counting_nibbles());
  ASSERT_EQ(values.size(), 32u);
  EXPECT_EQ(values[0], -1.0f);
  EXPECT_EQ(values[1], -0.5f);
  EXPECT_EQ(values[7], 2.5f);
  EXPECT_EQ(values[16], -0.75f);
  EXPECT_EQ(values[31], 2.75f);
}

// d = 0x2E66 (0.0999755859375), m = 0x3555 (0.333251953125): 15 d + m = 1.8328857421875 needs no rounding;
// with m = 1000 + ... only the last bit of the sum is lost, once.
TEST(Dequantise, Q4_1RoundsTheSumOnce) {
  const float d = half_to_float(0x2E66), m = half_to_float(0x63D1);
  const std::vector<float> values = run(DType::kQ4_1, half(0x2E66) + half(0x63D1) + std::string(16, '\x7F'));
  EXPECT_EQ(values[0], static_cast<float>(15.0 * d + m));
  EXPECT_EQ(values[16], static_cast<float>(7.0 * d + m));
}

// d = -2: -2 q, and zero times a negative scale is -0.
TEST(Dequantise, Q8_0ByHand) {
  std::string qs(32, '\0');
  qs[1] = 1;
  qs[2] = -1;
  qs[30] = 127;
  qs[31] = -128;
  const std::vector<float> values = run(DType::kQ8_0, half(0xC000) + qs);
  ASSERT_EQ(values.size(), 32u);
  EXPECT_TRUE(values[0] == 0 && std::signbit(values[0]));
  EXPECT_EQ(values[1], -2.0f);
  EXPECT_EQ(values[2], 2.0f);
  EXPECT_EQ(values[30], -254.0f);
  EXPECT_EQ(values[31], 256.0f);
}

// Against the element-wise formulas of the formats, computed in double and rounded once.
TEST(Dequantise, ManyRandomBlocksFollowTheFormulas) {
  std::mt19937 random(7);
  for (const DType dtype : {DType::kQ4_0, DType::kQ4_1, DType::kQ8_0}) {
    const BlockSize size = block_size(dtype);
    std::string bytes(size.bytes * 1000, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    // Exponents stay below that of infinity and NaN.
    for (std::size_t b = 0; b < 1000; ++b) {
      bytes[b * size.bytes + 1] &= '\xBF';
      if (dtype == DType::kQ4_1) bytes[b * size.bytes + 3] &= '\xBF';
    }
    const std::vector<float> values = run(dtype, bytes);
    const auto byte_at = [&](std::size_t at) { return static_cast<unsigned char>(bytes[at]); };
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t begin = i / 32 * size.bytes, e = i % 32;
      const auto half_at = [&](std::size_t at) {
        return half_to_float(static_cast<std::uint16_t>(byte_at(at) | byte_at(at + 1) << 8));
      };
      const double d = half_at(begin);
      const std::size_t quants = begin + (dtype == DType::kQ4_1 ? 4 : 2);
      const int nibble = byte_at(quants + e % 16) >> (e < 16 ? 0 : 4) & 15;
      const double expected = dtype == DType::kQ4_0   ? (nibble - 8) * d
                              : dtype == DType::kQ4_1 ? nibble * d + half_at(begin + 2)
                                                      : static_cast<signed char>(bytes[quants + e]) * d;
      ASSERT_EQ(values[i], static_cast<float>(expected)) << i;
    }
  }
}

TEST(Dequantise, NoBlocksTouchNothing) {
  const std::array<std::byte, 32> stored{};
  std::array<float, 2> values = {1.0f, 2.0f};
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kF64, DType::kQ4_0, DType::kQ4_1,
                            DType::kQ8_0, DType::kOpaque}) {
    dequantise(dtype, stored.data(), values.data(), 0);
    dequantise(dtype, nullptr, nullptr, 0);
    EXPECT_EQ(values, (std::array<float, 2>{1.0f, 2.0f}));
  }
}

}  // namespace
}  // namespace emend
