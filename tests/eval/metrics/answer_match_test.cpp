#include "eval/metrics/answer_match.h"

#include <gtest/gtest.h>

namespace emend {
namespace {

TEST(NormalizeAnswer, LowersStripsAndCollapses) {
  EXPECT_EQ(normalize_answer("The  U.S.A.!"), "usa");
  EXPECT_EQ(normalize_answer("\n \"New   York\",\tNY "), "new york ny");
  EXPECT_EQ(normalize_answer("ÉCOLE Straße"), "école straße");
  EXPECT_EQ(normalize_answer("snake_case"), "snakecase");
  EXPECT_EQ(normalize_answer("O'Neill"), "oneill");
}

TEST(NormalizeAnswer, DropsLeadingArticlesOnlyAndNeverAll) {
  EXPECT_EQ(normalize_answer("The Hague"), "hague");
  EXPECT_EQ(normalize_answer("Winnie the Pooh"), "winnie the pooh");
  EXPECT_EQ(normalize_answer("an"), "an");
  EXPECT_EQ(normalize_answer("Theodore"), "theodore");
}

TEST(NormalizeAnswer, OfNothingIsNothing) {
  EXPECT_EQ(normalize_answer(""), "");
  EXPECT_EQ(normalize_answer(" ... "), "");
  EXPECT_EQ(normalize_answer("\xFF\xFE"), "");
}

TEST(BeginsWithAnswer, ComparesWholeWords) {
  EXPECT_TRUE(begins_with_answer(" Rome, of course.", "rome"));
  EXPECT_TRUE(begins_with_answer("Rome", "Rome"));
  EXPECT_TRUE(begins_with_answer("the Hague.", "The Hague"));
  EXPECT_TRUE(begins_with_answer("Hague", "The Hague"));
  EXPECT_FALSE(begins_with_answer("Romeo and Juliet", "Rome"));
  EXPECT_FALSE(begins_with_answer("in Rome", "Rome"));
  EXPECT_FALSE(begins_with_answer("New", "New York"));
  EXPECT_TRUE(begins_with_answer("new\nyork city", "New York"));
}

TEST(BeginsWithAnswer, AnAnswerWithoutWordsBeginsNothing) {
  EXPECT_FALSE(begins_with_answer("...", "..."));
  EXPECT_FALSE(begins_with_answer("Rome", ""));
}

TEST(BeginsWithAnswer, AnArticleCanBeTheAnswer) {
  EXPECT_TRUE(begins_with_answer("A is the first letter", "A"));
  EXPECT_FALSE(begins_with_answer("B is the second letter", "A"));
}

TEST(BeginsWithAnswer, ScriptsWithoutSpacesNeedNoGap) {
  EXPECT_TRUE(begins_with_answer("罗马是意大利的首都。", "罗马"));
  EXPECT_TRUE(begins_with_answer("ローマです", "ローマ"));
  EXPECT_TRUE(begins_with_answer("กรุงเทพมหานคร", "กรุงเทพ"));
  EXPECT_TRUE(begins_with_answer("Romeは都市です", "Rome"));
  EXPECT_FALSE(begins_with_answer("北京", "罗马"));
}

}  // namespace
}  // namespace emend
