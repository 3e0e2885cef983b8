#include "io/block_format.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <string>

#include "io/element_types.h"
#include "io/half.h"

namespace emend {
namespace {

using Floats = std::vector<float>;

std::vector<const ElementType*> block_types() {
  std::vector<const ElementType*> types;
  for (const ElementType& type : element_types())
    if (type.format != nullptr) types.push_back(&type);
  return types;
}

// Those whose scales are searched when they are written.
std::vector<const ElementType*> searched_types() {
  std::vector<const ElementType*> types;
  for (const char* const name : {"Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"})
    types.push_back(&element_type(name));
  return types;
}

Floats read(const ElementType& type, const std::vector<std::byte>& bytes) {
  Floats values(bytes.size() / type.block_bytes * type.block_elements);
  type.read(bytes.data(), values.data(), bytes.size() / type.block_bytes);
  return values;
}

std::vector<std::byte> write(const ElementType& type, const Floats& values) {
  std::vector<std::byte> bytes(values.size() / type.block_elements * type.block_bytes);
  type.write(values.data(), bytes.data(), values.size() / type.block_elements);
  return bytes;
}

// A block with random codes and scale codes; d and dmin as they are in models.
std::vector<std::byte> random_block(const ElementType& type, std::mt19937& random) {
  const BlockFormat& format = *type.format;
  std::uniform_real_distribution<float> size(0.5F, 2.0F);
  std::uniform_int_distribution<int> scale(format.least_code, format.most_code);
  BlockScales scales;
  scales.d = format.group_scales == GroupScales::kPower ? 120 : float_to_half(1e-3F * size(random));
  scales.dmin = float_to_half(4e-3F * size(random));
  BlockCodes codes{};
  for (std::size_t g = 0; g < format.groups; ++g) {
    scales.scale_code[g] = static_cast<std::int16_t>(scale(random));
    scales.minimum_code[g] = static_cast<std::int16_t>(scale(random));
  }
  for (std::uint8_t& code : codes) code = static_cast<std::uint8_t>(random() % format.code_count);
  std::vector<std::byte> bytes(type.block_bytes);
  format.pack(scales, codes, bytes.data());
  return bytes;
}

double square_error(const Floats& a, const Floats& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(double{a[i]} - b[i], 2);
  return sum;
}

Floats normal_values(std::size_t count, float size, std::mt19937& random) {
  std::normal_distribution<float> normal(0, size);
  Floats values(count);
  for (float& value : values) value = normal(random);
  return values;
}

TEST(BlockFormat, ValuesAreThoseOfTheReader) {
  std::mt19937 random(1);
  for (const ElementType* const type : block_types())
    for (int round = 0; round < 50; ++round) {
      std::vector<std::byte> bytes(type->block_bytes);
      for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
      const Floats values = read(*type, bytes);
      BlockScales scales;
      BlockCodes codes;
      type->format->unpack(bytes.data(), scales, codes);
      for (std::size_t i = 0; i < values.size(); ++i) {
        const float value = type->format->value(scales, i, codes[i]);
        if (std::isnan(values[i]))
          ASSERT_TRUE(std::isnan(value)) << type->name;
        else
          ASSERT_EQ(std::bit_cast<std::uint32_t>(value), std::bit_cast<std::uint32_t>(values[i]))
              << type->name;
      }
    }
}

TEST(BlockFormat, PackIsTheWayBackOfUnpack) {
  std::mt19937 random(2);
  for (const ElementType* const type : block_types())
    for (int round = 0; round < 50; ++round) {
      std::vector<std::byte> bytes(type->block_bytes), again(type->block_bytes);
      // Not every byte of a ternary block is made by a packer.
      if (type->name == "TQ1_0")
        bytes = random_block(*type, random);
      else
        for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
      BlockScales scales;
      BlockCodes codes;
      type->format->unpack(bytes.data(), scales, codes);
      type->format->pack(scales, codes, again.data());
      ASSERT_EQ(bytes, again) << type->name;
    }
}

TEST(BlockFormat, RoundTakesTheNearestValue) {
  std::mt19937 random(3);
  for (const ElementType* const type : block_types())
    for (int round = 0; round < 20; ++round) {
      const BlockFormat& format = *type->format;
      BlockScales scales;
      BlockCodes codes;
      format.unpack(random_block(*type, random).data(), scales, codes);
      const Floats wanted = normal_values(format.elements, 0.1F, random);
      for (std::size_t i = 0; i < format.elements; ++i) {
        const float taken = std::abs(format.value(scales, i, format.round(scales, i, wanted[i])) - wanted[i]);
        for (std::uint32_t code = 0; code < format.code_count; ++code)
          ASSERT_LE(taken,
                    std::abs(format.value(scales, i, static_cast<std::uint8_t>(code)) - wanted[i]) + 1e-7F)
              << type->name;
      }
    }
}

TEST(BlockFormat, WhatABlockHoldsIsWrittenExactly) {
  std::mt19937 random(4);
  for (const ElementType* const type : searched_types()) {
    if (type->name == "IQ4_XS") continue;  // its grids are not recovered
    for (int round = 0; round < 300; ++round) {
      const Floats values = read(*type, random_block(*type, random));
      const Floats again = read(*type, write(*type, values));
      for (std::size_t i = 0; i < values.size(); ++i)
        ASSERT_EQ(again[i], values[i]) << type->name << " " << round;
    }
  }
}

// Written values lie on the grid, so a second time changes nothing.
TEST(BlockFormat, WritingTwiceIsWritingOnce) {
  std::mt19937 random(5);
  for (const ElementType* const type : searched_types()) {
    if (type->name == "IQ4_XS") continue;  // its grids are not recovered
    const Floats once = read(*type, write(*type, normal_values(40 * type->block_elements, 0.02F, random)));
    const Floats twice = read(*type, write(*type, once));
    for (std::size_t i = 0; i < once.size(); ++i) ASSERT_EQ(twice[i], once[i]) << type->name << " " << i;
  }
}

// The share of a normal value's power that is lost: no more than what ggml's own writers lose.
TEST(BlockFormat, ErrorsAreSmall) {
  std::mt19937 random(6);
  const Floats values = normal_values(256 * 64, 0.02F, random);
  const double power = square_error(values, Floats(values.size()));
  for (const auto& [name, most] :
       {std::pair{"Q2_K", 0.085}, std::pair{"Q3_K", 0.03}, std::pair{"Q4_K", 0.0065},
        std::pair{"Q5_K", 0.0017}, std::pair{"Q6_K", 0.00055}, std::pair{"IQ4_NL", 0.0075},
        std::pair{"IQ4_XS", 0.008}}) {
    const ElementType& type = element_type(name);
    const double share = square_error(values, read(type, write(type, values))) / power;
    EXPECT_LE(share, most) << name;
    EXPECT_GT(share, 0) << name;
  }
}

TEST(BlockFormat, NothingIsEverNaN) {
  std::mt19937 random(7);
  for (const ElementType* const type : searched_types())
    for (const float size : {0.0F, 1e-44F, 1e-38F, 1e-20F, 1e-7F, 1.0F, 1e4F, 1e20F, 3e37F}) {
      Floats values = normal_values(256, size, random);
      values[3] *= 5;
      for (const float value : read(*type, write(*type, values)))
        ASSERT_TRUE(std::isfinite(value)) << type->name;
      for (const float sign : {-1.0F, 1.0F})
        for (const float value : read(*type, write(*type, Floats(256, sign * size))))
          ASSERT_TRUE(std::isfinite(value)) << type->name;
    }
}

// One large value among tiny ones, all of one sign, a ramp: no value is further off than a step of its block.
TEST(BlockFormat, WideRangesStayWithinAStep) {
  std::mt19937 random(8);
  for (const ElementType* const type : searched_types())
    for (int kind = 0; kind < 4; ++kind) {
      Floats values = normal_values(256, 1e-4F, random);
      if (kind == 0) values[77] = 10;
      if (kind == 1) values[77] = -10;
      if (kind == 2)
        for (float& value : values) value = 1 + std::abs(value);
      if (kind == 3)
        for (std::size_t i = 0; i < 256; ++i) values[i] = static_cast<float>(i) / 255 - 0.5F;
      const Floats back = read(*type, write(*type, values));
      const auto [low, high] = std::minmax_element(values.begin(), values.end());
      const float range = std::max(*high, 0.0F) - std::min(*low, 0.0F);
      // The widest gap: a step of the least type, and of IQ4 the last two levels.
      const float step = range / (static_cast<float>(type->format->code_count) - 1);
      for (std::size_t i = 0; i < 256; ++i)
        EXPECT_LE(std::abs(back[i] - values[i]), 1.3F * step)
            << type->name << " kind " << kind << " at " << i;
    }
}

TEST(BlockFormat, WeightsDrawTheScalesToTheirElements) {
  std::mt19937 random(9);
  for (const ElementType* const type : searched_types()) {
    const BlockFormat& format = *type->format;
    double with = 0, without = 0;
    for (int round = 0; round < 20; ++round) {
      const Floats values = normal_values(format.elements, 0.02F, random);
      Floats weights(format.elements, 0.01F);
      for (std::size_t i = 0; i < format.elements; i += 8) weights[i] = 10;
      const auto error = [&](const BlockScales& scales) {
        double sum = 0;
        for (std::size_t i = 0; i < format.elements; ++i)
          sum += weights[i] *
                 std::pow(format.value(scales, i, format.round(scales, i, values[i])) - values[i], 2);
        return sum;
      };
      with += error(format.choose(values.data(), weights.data()));
      without += error(format.choose(values.data()));
    }
    EXPECT_LT(with, 0.9 * without) << type->name;
  }
}

TEST(BlockFormat, RandomValuesLieOnNoGrid) {
  std::mt19937 random(10);
  for (const ElementType* const type : searched_types())
    EXPECT_FALSE(recover_scales(*type->format, normal_values(256, 0.02F, random).data())) << type->name;
}

TEST(BlockFormat, TheMeanStepIsThatOfTheScales) {
  BlockScales scales;
  scales.d = float_to_half(0.5F);
  BlockCodes codes{};
  std::vector<std::byte> bytes(18);
  kQ4_0Format.pack(scales, codes, bytes.data());
  EXPECT_EQ(mean_square_step(kQ4_0Format, 18, bytes), 0.25);
  kIq4NlFormat.pack(scales, codes, bytes.data());
  EXPECT_EQ(mean_square_step(kIq4NlFormat, 18, bytes), 64);  // 240 in 15 steps of 16, times 0.5
}

}  // namespace
}  // namespace emend
