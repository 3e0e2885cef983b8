#include "io/quantise.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <random>

#include "io/block_format.h"
#include "io/element_types.h"
#include "io/half.h"

namespace emend {
namespace {

std::vector<const ElementType*> written_types() {
  std::vector<const ElementType*> types;
  for (const ElementType& type : element_types())
    if (type.write != nullptr) types.push_back(&type);
  return types;
}

std::vector<std::byte> encode(const ElementType& type, const std::vector<float>& values) {
  std::vector<std::byte> bytes(values.size() / type.block_elements * type.block_bytes);
  type.write(values.data(), bytes.data(), values.size() / type.block_elements);
  return bytes;
}

std::vector<float> decode(const ElementType& type, const std::vector<std::byte>& bytes) {
  std::vector<float> values(bytes.size() / type.block_bytes * type.block_elements);
  type.read(bytes.data(), values.data(), bytes.size() / type.block_bytes);
  return values;
}

TEST(FloatToHalf, IsTheWayBackOfEveryHalf) {
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const float value = half_to_float(static_cast<std::uint16_t>(bits));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(half_to_float(float_to_half(value))));
    } else {
      EXPECT_EQ(float_to_half(value), bits);
    }
  }
}

TEST(FloatToHalf, TakesTheNearestAndOfTwoTheEvenOne) {
  for (std::uint32_t bits = 0; bits < 0x7BFF; ++bits) {  // between each half and the next one
    const double low = half_to_float(static_cast<std::uint16_t>(bits));
    const double high = half_to_float(static_cast<std::uint16_t>(bits + 1));
    const auto middle = static_cast<float>((low + high) / 2);  // exact
    EXPECT_EQ(float_to_half(middle), bits % 2 == 0 ? bits : bits + 1);
    EXPECT_EQ(float_to_half(std::nextafter(middle, 0.0F)), bits);
    EXPECT_EQ(float_to_half(std::nextafter(middle, 1e9F)), bits + 1);
    EXPECT_EQ(float_to_half(-middle), 0x8000 | (bits % 2 == 0 ? bits : bits + 1));
  }
}

TEST(FloatToHalf, OverflowsWhereTheFormatSays) {
  EXPECT_EQ(float_to_half(65519.99F), 0x7BFF);
  EXPECT_EQ(float_to_half(65520.0F), 0x7C00);
  EXPECT_EQ(float_to_half(-1e30F), 0xFC00);
  EXPECT_EQ(float_to_half(INFINITY), 0x7C00);
  EXPECT_EQ(float_to_half(1e-30F), 0);
}

TEST(FloatToBfloat16, TakesTheNearestAndOfTwoTheEvenOne) {
  EXPECT_EQ(float_to_bfloat16(1.0F), 0x3F80);
  EXPECT_EQ(float_to_bfloat16(1.00390625F), 0x3F80);  // half way to 0x3F81
  EXPECT_EQ(float_to_bfloat16(1.01171875F), 0x3F82);
  EXPECT_EQ(float_to_bfloat16(std::nextafter(1.00390625F, 2.0F)), 0x3F81);
  EXPECT_EQ(float_to_bfloat16(-0.0F), 0x8000);
  EXPECT_EQ(float_to_bfloat16(3.4e38F), 0x7F80);
  EXPECT_NE(float_to_bfloat16(NAN) & 0x7F, 0);
}

TEST(Quantise, GivesTheBytesOfThePackageGguf) {
  const auto file = open_safetensors(std::string(EMEND_TEST_DATA) + "/quantise/blocks.safetensors");
  const TensorInfo& info = *file->find("values");
  std::vector<float> values(static_cast<std::size_t>(info.elements()));
  std::memcpy(values.data(), file->bytes(info).data(), info.bytes);
  for (const std::string name : {"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "BF16", "F16"}) {
    const ElementType& type = element_type(name);
    const auto recorded = file->bytes(*file->find(name));
    const std::vector<std::byte> bytes = encode(type, values);
    ASSERT_EQ(bytes.size(), recorded.size()) << name;
    for (std::size_t i = 0; i < bytes.size(); ++i)
      ASSERT_EQ(bytes[i], recorded[i])
          << name << ", block " << i / type.block_bytes << ", byte " << i % type.block_bytes;
  }
}

TEST(Quantise, StaysWithinHalfAStep) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 0.05F);
  std::vector<float> values(32 * 200);
  for (float& value : values) value = normal(random);
  for (const auto& [name, steps] :
       {std::pair{"Q4_0", 8.0F}, std::pair{"Q4_1", 15.0F}, std::pair{"Q5_0", 16.0F}, std::pair{"Q5_1", 31.0F},
        std::pair{"Q8_0", 127.0F}}) {
    const ElementType& type = element_type(name);
    const std::vector<float> back = decode(type, encode(type, values));
    for (std::size_t b = 0; b < values.size(); b += 32) {
      const auto [low, high] = std::minmax_element(&values[b], &values[b] + 32);
      const float largest = std::max(-*low, *high);
      const float step = (type.format->has_minimum() ? *high - *low : largest) / steps;
      // Q4_0 and Q5_0 have no step for the end opposite to their largest value; a half has 11 bits.
      const bool one_sided = !type.format->has_minimum() && type.name != "Q8_0";
      for (std::size_t i = b; i < b + 32; ++i)
        EXPECT_LE(std::abs(back[i] - values[i]), step * (one_sided ? 1.01F : 0.51F) + largest / 1024) << name;
    }
  }
}

TEST(Quantise, KeepsWhatATypeHolds) {
  for (const std::string_view name : {"F32", "F64", "F16", "BF16"}) {
    const ElementType& type = element_type(name);
    const std::vector<float> values = {0.0F, -0.0F, 1.0F, -2.5F, 0.15625F, 4096.0F};
    const std::vector<float> back = decode(type, encode(type, values));
    for (std::size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(back[i], values[i]);
      EXPECT_EQ(std::signbit(back[i]), std::signbit(values[i]));
    }
  }
}

TEST(Quantise, ZerosAndTinyNumbersStayFinite) {
  for (const ElementType* const type : written_types())
    for (const float value : {0.0F, 1e-42F, -1e-39F, 1e-30F}) {
      for (const float back : decode(*type, encode(*type, std::vector<float>(256, value))))
        EXPECT_TRUE(std::isfinite(back));
    }
}

}  // namespace
}  // namespace emend
