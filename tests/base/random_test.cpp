#include "base/random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace emend {
namespace {

// The known answers that come with Random123 (kat_vectors, philox4x32 with 10 rounds).
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, SeedStreamAndIndexAreTheBlock) {
  const Random random(0x299f31d0a4093822, 0x0370734413198a2e);
  EXPECT_EQ(random.bits(0x85a308d3243f6a88), 0x94fdccebd16cfe09);
}

TEST(Random, StatedVector) {
  EXPECT_EQ(Random(0, 0).uniform(0), 0x1.c2d38b1acc4fdp-1);
}

TEST(Random, OrderDoesNotMatter) {
  const Random random(7, 3);
  const double late = random.uniform(1000), early = random.uniform(0);
  EXPECT_EQ(Random(7, 3).uniform(0), early);
  EXPECT_EQ(Random(7, 3).uniform(1000), late);
}

TEST(Random, SeedsStreamsAndIndicesGiveDifferentNumbers) {
  std::set<std::uint64_t> seen;
  for (std::uint64_t i = 0; i < 10; ++i) {
    for (std::uint64_t j = 0; j < 10; ++j) {
      for (std::uint64_t k = 0; k < 10; ++k) seen.insert(Random(i, j).bits(k));
    }
  }
  EXPECT_EQ(seen.size(), 1000u);
}

TEST(Random, UniformHasTheRightMeanAndVariance) {
  const Random random(1, 2);
  constexpr int kCount = 100'000;
  double sum = 0, squares = 0;
  for (int i = 0; i < kCount; ++i) {
    const double u = random.uniform(static_cast<std::uint64_t>(i));
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
    squares += u * u;
  }
  EXPECT_NEAR(sum / kCount, 0.5, 0.005);
  EXPECT_NEAR(squares / kCount, 1.0 / 3, 0.005);
}

TEST(Random, NormalHasTheRightMoments) {
  const Random random(1, 2);
  constexpr int kCount = 100'000;
  double sum = 0, squares = 0, fourth = 0;
  for (int i = 0; i < kCount; ++i) {
    const double x = random.normal(static_cast<std::uint64_t>(i));
    ASSERT_TRUE(std::isfinite(x));
    sum += x;
    squares += x * x;
    fourth += x * x * x * x;
  }
  EXPECT_NEAR(sum / kCount, 0, 0.02);
  EXPECT_NEAR(squares / kCount, 1, 0.03);
  EXPECT_NEAR(fourth / kCount, 3, 0.15);
}

TEST(Random, BelowCoversItsRangeEvenly) {
  const Random random(5, 0);
  std::array<int, 7> counts{};
  for (std::uint64_t i = 0; i < 70'000; ++i) ++counts.at(random.below(i, 7));
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 400);
  EXPECT_EQ(random.below(3, 1), 0u);
}

TEST(Random, BelowIsTheHighHalfOfTheProduct) {
  const Random random(9, 9);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const std::uint64_t n = random.bits(i + 5000) | 1;
    const auto product = static_cast<unsigned __int128>(random.bits(i)) * n;
    ASSERT_EQ(random.below(i, n), static_cast<std::uint64_t>(product >> 64));
  }
}

}  // namespace
}  // namespace emend
