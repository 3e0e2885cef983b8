#include "io/dequantise.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>

#include "io/element_types.h"
#include "io/half.h"
#include "tests/io/byte_builder.h"

namespace emend {
namespace {

using namespace test;  // builders only

std::vector<float> run(std::string_view name, const std::string& bytes) {
  const ElementType& type = element_type(name);
  const std::size_t blocks = bytes.size() / type.block_bytes;
  std::vector<float> values(blocks * type.block_elements);
  // One byte further, so that nothing is aligned.
  const std::string shifted = "x" + bytes;
  type.read(bytes_of(shifted).data() + 1, values.data(), blocks);
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
  EXPECT_EQ(run("F32", little(1.25f) + little(-0.0f)), (std::vector<float>{1.25f, -0.0f}));
  const std::vector<float> values = run("BF16", half(0x3F80) + half(0xC0A0) + half(0x0001) + half(0x7FA1));
  EXPECT_EQ(values[0], 1.0f);
  EXPECT_EQ(values[1], -5.0f);
  EXPECT_EQ(std::bit_cast<std::uint32_t>(values[2]), 0x00010000u);
  EXPECT_EQ(std::bit_cast<std::uint32_t>(values[3]), 0x7FA10000u);
}

TEST(Dequantise, F64IsRoundedToNearestEven) {
  const std::vector<float> values = run(
      "F64", little(0.1) + little(1 + 0x1p-24) + little(1 + 3 * 0x1p-24) + little(1e300) + little(-1e-300));
  EXPECT_EQ(values[0], 0.1f);
  EXPECT_EQ(values[1], 1.0f);
  EXPECT_EQ(values[2], 1.0f + 0x1p-22f);
  EXPECT_EQ(values[3], INFINITY);
  EXPECT_TRUE(values[4] == 0 && std::signbit(values[4]));
}

TEST(Dequantise, F16AsEveryHalf) {
  std::string bytes;
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) bytes += half(static_cast<std::uint16_t>(bits));
  const std::vector<float> values = run("F16", bytes);
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    ASSERT_EQ(std::bit_cast<std::uint32_t>(values[bits]),
              std::bit_cast<std::uint32_t>(half_to_float(static_cast<std::uint16_t>(bits))));
  }
}

// d = 0.5: (n - 8) / 2. Low nibbles 0, 2, 4, ... are the elements 0 to 15, high ones 1, 3, 5, ... 16 to 31.
TEST(Dequantise, Q4_0ByHand) {
  const std::vector<float> values = run("Q4_0", half(0x3800) + counting_nibbles());
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
  const std::vector<float> values = run("Q4_1", half(0x3400) + half(0xBC00) + counting_nibbles());
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
  const std::vector<float> values = run("Q4_1", half(0x2E66) + half(0x63D1) + std::string(16, '\x7F'));
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
  const std::vector<float> values = run("Q8_0", half(0xC000) + qs);
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
  for (const std::string_view name : {"Q4_0", "Q4_1", "Q8_0"}) {
    const std::size_t size = element_type(name).block_bytes;
    std::string bytes(size * 1000, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    // Exponents stay below that of infinity and NaN.
    for (std::size_t b = 0; b < 1000; ++b) {
      bytes[b * size + 1] &= '\xBF';
      if (name == "Q4_1") bytes[b * size + 3] &= '\xBF';
    }
    const std::vector<float> values = run(name, bytes);
    const auto byte_at = [&](std::size_t at) { return static_cast<unsigned char>(bytes[at]); };
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t begin = i / 32 * size, e = i % 32;
      const auto half_at = [&](std::size_t at) {
        return half_to_float(static_cast<std::uint16_t>(byte_at(at) | byte_at(at + 1) << 8));
      };
      const double d = half_at(begin);
      const std::size_t quants = begin + (name == "Q4_1" ? 4 : 2);
      const int nibble = byte_at(quants + e % 16) >> (e < 16 ? 0 : 4) & 15;
      const double expected = name == "Q4_0"   ? (nibble - 8) * d
                              : name == "Q4_1" ? nibble * d + half_at(begin + 2)
                                               : static_cast<signed char>(bytes[quants + e]) * d;
      ASSERT_EQ(values[i], static_cast<float>(expected)) << i;
    }
  }
}

TEST(Dequantise, NoBlocksTouchNothing) {
  const std::array<std::byte, 32> stored{};
  std::array<float, 2> values = {1.0f, 2.0f};
  for (const ElementType& type : element_types()) {
    if (type.read == nullptr) continue;
    type.read(stored.data(), values.data(), 0);
    type.read(nullptr, nullptr, 0);
    EXPECT_EQ(values, (std::array<float, 2>{1.0f, 2.0f}));
  }
}

TEST(Dequantise, EveryTypeGivesTheBitsOfThePackageGguf) {
  const auto file = open_safetensors(std::string(EMEND_TEST_DATA) + "/quantise/stored.safetensors");
  int compared = 0;
  for (const ElementType& type : element_types()) {
    if (type.read == nullptr || type.name == "F32" || type.name == "F64") continue;
    const TensorInfo* const stored = file->find(std::string(type.name) + ".bytes");
    ASSERT_NE(stored, nullptr) << type.name;
    const auto expected = file->bytes(*file->find(std::string(type.name) + ".values"));
    ASSERT_EQ(stored->shape[1], static_cast<std::int64_t>(type.block_bytes)) << type.name;
    const auto bytes = file->bytes(*stored);
    const std::vector<float> values =
        run(type.name, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    ASSERT_EQ(4 * values.size(), expected.size()) << type.name;
    for (std::size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(std::memcmp(&values[i], &expected[4 * i], 4), 0)
          << type.name << ", block " << i / type.block_elements << ", element " << i % type.block_elements;
    }
    ++compared;
  }
  EXPECT_EQ(compared, 17);
}

// d = 1, dmin = 2 and everything else 0: only the minimum of the group is left.
TEST(Dequantise, KQuantsByHand) {
  std::string scales(12, '\0');
  scales[0] = 3;        // scale of group 0
  scales[4] = 5;        // minimum of group 0
  scales[8] = '\x21';   // low bits of scale and minimum of group 4: 1 and 2
  scales[0] |= '\x40';  // 1 << 4 more for the scale of group 4
  scales[4] |= '\x80';  // 2 << 4 more for its minimum
  std::string qs(128, '\0');
  qs[0] = '\x0F';   // element 0: 15
  qs[64] = '\x07';  // element 128, the first of group 4: 7
  const std::vector<float> values = run("Q4_K", half(0x3C00) + half(0x4000) + scales + qs);
  EXPECT_EQ(values[0], 15 * 3 - 2 * 5);
  EXPECT_EQ(values[1], -2 * 5);
  EXPECT_EQ(values[32], 0);
  EXPECT_EQ(values[128], 7 * 17 - 2 * 34);
  EXPECT_EQ(values[129], -2 * 34);
}

// Inf and NaN in a scale stay visible: no NaN turns into a number.
TEST(Dequantise, ScalesThatAreNoNumbersGiveNoNumbers) {
  const std::vector<float> values = run("Q4_0", half(0x7E00) + counting_nibbles());
  for (const float value : values) EXPECT_TRUE(std::isnan(value));
  const std::vector<float> infinite =
      run("Q6_K", std::string(192, '\0') + std::string(16, '\1') + half(0x7C00));
  for (const float value : infinite) EXPECT_FALSE(std::isfinite(value));
}

}  // namespace
}  // namespace emend
