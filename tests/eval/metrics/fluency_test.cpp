#include "eval/metrics/fluency.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace emend {
namespace {

using testing::ElementsAre;

TEST(TreebankWords, SplitsContractions) {
  EXPECT_THAT(treebank_words("They don't, can't and won't"),
              ElementsAre("They", "do", "n't", ",", "ca", "n't", "and", "wo", "n't"));
  EXPECT_THAT(treebank_words("I'll say it's John's; we've cannot"),
              ElementsAre("I", "'ll", "say", "it", "'s", "John", "'s", ";", "we", "'ve", "can", "not"));
  EXPECT_THAT(treebank_words("'Tis gonna rain"), ElementsAre("'T", "is", "gon", "na", "rain"));
}

TEST(TreebankWords, SplitsPunctuation) {
  EXPECT_THAT(treebank_words("Well (so-called), \"good\" -- yes?"),
              ElementsAre("Well", "(", "so-called", ")", ",", "``", "good", "''", "--", "yes", "?"));
  EXPECT_THAT(treebank_words("at 3:30, 1,000 men: $5 & 20% ..."),
              ElementsAre("at", "3:30", ",", "1,000", "men", ":", "$", "5", "&", "20", "%", "..."));
}

TEST(TreebankWords, SplitsFullStopsWhereSentencesEnd) {
  EXPECT_THAT(treebank_words("He came. She left."), ElementsAre("He", "came", ".", "She", "left", "."));
  EXPECT_THAT(treebank_words("Mr. Smith of the U.S. Army, etc. and more"),
              ElementsAre("Mr.", "Smith", "of", "the", "U.S.", "Army", ",", "etc.", "and", "more"));
  EXPECT_THAT(treebank_words("He said \"no.\" Then (he left.)"),
              ElementsAre("He", "said", "``", "no", ".", "''", "Then", "(", "he", "left", ".", ")"));
  EXPECT_THAT(treebank_words("version 1.5 of x.y"), ElementsAre("version", "1.5", "of", "x.y"));
}

TEST(TreebankWords, TakesAnyBytes) {
  EXPECT_THAT(treebank_words(""), ElementsAre());
  EXPECT_THAT(treebank_words(" \n\t"), ElementsAre());
  EXPECT_THAT(treebank_words("«été» — déjà"), ElementsAre("«", "été", "»", "—", "déjà"));
  EXPECT_EQ(treebank_words("a\xFF b").size(), 2u);
  EXPECT_THAT(treebank_words("' \" ."), ElementsAre("'", "``", "."));
}

TEST(NgramEntropy, IsThatOfTheFrequencies) {
  // a b a b a: bigrams ab, ba, ab, ba: 1 bit.
  EXPECT_DOUBLE_EQ(*ngram_entropy({"a", "b", "a", "b", "a"}, 2), 1);
  EXPECT_DOUBLE_EQ(*ngram_entropy({"a", "a", "a"}, 2), 0);
  // 3/4, 1/4
  EXPECT_NEAR(*ngram_entropy({"a", "a", "a", "b"}, 1), 0.811278124459133, 1e-12);
  EXPECT_FALSE(ngram_entropy({"a"}, 2).has_value());
  EXPECT_FALSE(ngram_entropy({"a"}, 0).has_value());
}

TEST(Fluency, WeighsBigramsAndTrigrams) {
  // Seven words, all different: 6 bigrams, 5 trigrams.
  EXPECT_NEAR(*fluency("the cat sat on a red mat"), std::log2(6) / 3 + 2 * std::log2(5) / 3, 1e-12);
  // a b a b a: H_2 = 1; trigrams aba, bab, aba: H_3 = 0.9183.
  EXPECT_NEAR(*fluency("a b a b a"), 1.0 / 3 + 2 * 0.918295834054490 / 3, 1e-12);
}

TEST(Fluency, FallsWithRepetition) {
  EXPECT_GT(*fluency("Rome is a very old city by the river."),
            *fluency("Rome Rome Rome Rome Rome Rome Rome Rome."));
}

TEST(Fluency, OfTooShortATextIsNothing) {
  EXPECT_FALSE(fluency("two words").has_value());
  EXPECT_TRUE(fluency("now three words").has_value());
  EXPECT_FALSE(mean_fluency({"", "one"}).has_value());
  EXPECT_DOUBLE_EQ(*mean_fluency({"", "a b a b a"}), *fluency("a b a b a"));
}

}  // namespace
}  // namespace emend
