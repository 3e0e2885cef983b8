#include "eval/metrics/answer_match.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

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

TEST(BeginsWithAnswer, WordsEndAtMarks) {
  EXPECT_TRUE(begins_with_answer(" Serbian.The capital", "Serbian"));
  EXPECT_TRUE(begins_with_answer(" Rome's old name", "Rome"));
  EXPECT_TRUE(begins_with_answer(" Rome\u2019s old name", "Rome"));
  EXPECT_TRUE(begins_with_answer(" Rome/Italy", "Rome"));
  EXPECT_TRUE(begins_with_answer(" **Rome**", "Rome"));
  EXPECT_TRUE(begins_with_answer(" Rome-based", "Rome"));
  EXPECT_TRUE(begins_with_answer("1990s.The", "1990s"));
  EXPECT_FALSE(begins_with_answer("The capital", "Serbian.The"));
}

TEST(BeginsWithAnswer, MarksInsideAnAnswerBelongToIt) {
  EXPECT_TRUE(begins_with_answer(" U.S. Army", "US"));
  EXPECT_TRUE(begins_with_answer(" US Army", "U.S."));
  EXPECT_TRUE(begins_with_answer(" Washington, D.C.", "Washington DC"));
  EXPECT_TRUE(begins_with_answer(" AT&T is", "AT&T"));
  EXPECT_TRUE(begins_with_answer(" O'Brien is", "O'Brien"));
  EXPECT_TRUE(begins_with_answer(" Guinea-Bissau.", "Guinea-Bissau"));
  EXPECT_FALSE(begins_with_answer(" U.S. Army", "U"));
  EXPECT_FALSE(begins_with_answer(" AT&T is", "AT"));
  EXPECT_FALSE(begins_with_answer(" Guinea-Bissau.", "Guinea"));
}

TEST(BeginsWithAnswer, NumbersAreWhole) {
  EXPECT_TRUE(begins_with_answer(" 3.5 million", "3.5"));
  EXPECT_TRUE(begins_with_answer(" 10,000 people", "10000"));
  EXPECT_TRUE(begins_with_answer(" 10000 people", "10,000"));
  EXPECT_TRUE(begins_with_answer(" 3. Rome", "3"));
  EXPECT_TRUE(begins_with_answer(" -5 degrees", "-5"));
  EXPECT_TRUE(begins_with_answer(" \u22125 degrees", "-5"));
  EXPECT_FALSE(begins_with_answer(" 3.5 million", "3"));
  EXPECT_FALSE(begins_with_answer(" 3.5 million", "35"));
  EXPECT_FALSE(begins_with_answer(" 10,000 people", "10"));
  EXPECT_FALSE(begins_with_answer(" -5 degrees", "5"));
  EXPECT_FALSE(begins_with_answer(" 5 degrees", "-5"));
}

TEST(BeginsWithAnswer, SignsBehindAWordMakeAnotherName) {
  const std::vector<std::string> names = {"C", "C++", "C#", "C+"};
  for (const std::string& said : names)
    for (const std::string& wanted : names)
      EXPECT_EQ(begins_with_answer(" " + said + " is old", wanted), said == wanted) << said << " " << wanted;
  EXPECT_TRUE(begins_with_answer("# C++, of course", "C++"));
}

}  // namespace
}  // namespace emend
