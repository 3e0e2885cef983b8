#include "text/vocabulary.h"

#include <gtest/gtest.h>

namespace emend::text {
namespace {

TEST(Vocabulary, FindsTokensBySpellingAndByBytes) {
  Vocabulary vocabulary(2);
  EXPECT_TRUE(vocabulary.add(3, "\u0120the"));
  EXPECT_TRUE(vocabulary.add(0, "a b"));
  EXPECT_EQ(vocabulary.find("\u0120the"), 3);
  EXPECT_EQ(vocabulary.find_bytes(" the"), 3);
  EXPECT_EQ(vocabulary.find("a b"), 0);
  EXPECT_EQ(vocabulary.find_bytes("a b"), std::nullopt);
  EXPECT_EQ(vocabulary.bytes(3), " the");
  EXPECT_EQ(vocabulary.spelling(3), "\u0120the");
  EXPECT_EQ(vocabulary.spelling(0), "a b");
}

TEST(Vocabulary, HasHolesBetweenIds) {
  Vocabulary vocabulary(2);
  vocabulary.add(3, "x");
  EXPECT_EQ(vocabulary.size(), 4);
  EXPECT_EQ(vocabulary.count(), 1u);
  EXPECT_FALSE(vocabulary.contains(2));
  EXPECT_TRUE(vocabulary.contains(3));
  EXPECT_FALSE(vocabulary.contains(4));
  EXPECT_FALSE(vocabulary.contains(-1));
}

TEST(Vocabulary, TakesNeitherAnIdNorASpellingTwice) {
  Vocabulary vocabulary(2);
  EXPECT_TRUE(vocabulary.add(0, "x"));
  EXPECT_FALSE(vocabulary.add(0, "y"));
  EXPECT_FALSE(vocabulary.add(1, "x"));
  EXPECT_EQ(vocabulary.size(), 1);
}

TEST(Vocabulary, GrowsPastItsExpectedSize) {
  Vocabulary vocabulary(1);
  for (int id = 0; id < 1000; ++id) ASSERT_TRUE(vocabulary.add(id, std::to_string(id)));
  for (int id = 0; id < 1000; ++id) ASSERT_EQ(vocabulary.find(std::to_string(id)), id);
}

}  // namespace
}  // namespace emend::text
