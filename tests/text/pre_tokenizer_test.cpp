#include "text/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace emend::text {
namespace {

using testing::ElementsAre;

std::vector<std::string> pieces(const std::unique_ptr<PreTokenizer>& pre_tokenizer, const std::string& text) {
  PreTokenized state{AlignedText(text), {{0, text.size()}}};
  pre_tokenizer->refine(state);
  std::vector<std::string> result;
  for (const ByteSpan& piece : state.pieces) {
    result.emplace_back(state.text.text().substr(piece.begin, piece.end - piece.begin));
  }
  return result;
}

std::vector<std::string> split(SplitBehavior behavior, SplitOn on = SplitOn::kMatches) {
  return pieces(make_split(Regex("-", "t"), behavior, on), "-a--b-");
}

TEST(PreTokenizer, SplitBehaviors) {
  EXPECT_THAT(split(SplitBehavior::kRemoved), ElementsAre("a", "b"));
  EXPECT_THAT(split(SplitBehavior::kIsolated), ElementsAre("-", "a", "-", "-", "b", "-"));
  EXPECT_THAT(split(SplitBehavior::kMergedWithPrevious), ElementsAre("-", "a-", "-", "b-"));
  EXPECT_THAT(split(SplitBehavior::kMergedWithNext), ElementsAre("-a", "-", "-b", "-"));
  EXPECT_THAT(split(SplitBehavior::kContiguous), ElementsAre("-", "a", "--", "b", "-"));
  EXPECT_THAT(split(SplitBehavior::kRemoved, SplitOn::kGaps), ElementsAre("-", "-", "-", "-"));
}

TEST(PreTokenizer, Digits) {
  EXPECT_THAT(pieces(make_digits(DigitRuns::kEachDigit), "a12\u0661b3"),
              ElementsAre("a", "1", "2", "\u0661", "b", "3"));
  EXPECT_THAT(pieces(make_digits(DigitRuns::kWholeRun), "12ab3\u00bd"), ElementsAre("12", "ab", "3\u00bd"));
}

TEST(PreTokenizer, Gpt2Pattern) {
  const auto gpt2 =
      make_split(Regex(std::string(kGpt2Pattern), "t"), SplitBehavior::kIsolated, SplitOn::kMatches);
  EXPECT_THAT(pieces(gpt2, "I'll  pay 30\u20ac!\n"),
              ElementsAre("I", "'ll", " ", " pay", " 30", "\u20ac!", "\n"));
}

TEST(PreTokenizer, PrefixSpaceStandsForNothing) {
  PreTokenized state{AlignedText("ab c"), {{0, 2}, {2, 4}}};
  make_prefix_space()->refine(state);
  EXPECT_EQ(state.text.text(), " ab c");
  ASSERT_EQ(state.pieces.size(), 2u);
  const ByteSpan origin = state.text.origin(state.pieces[0].begin, state.pieces[0].end);
  EXPECT_EQ(origin.begin, 0u);
  EXPECT_EQ(origin.end, 2u);
}

std::vector<std::string> spaced(const Metaspace& options, const std::string& text, Place place) {
  PreTokenized state{AlignedText(text), {{0, text.size()}}, place};
  make_metaspace(options)->refine(state);
  std::vector<std::string> result;
  for (const ByteSpan& piece : state.pieces) {
    std::string bytes(state.text.text().substr(piece.begin, piece.end - piece.begin));
    for (std::size_t at; (at = bytes.find("\u2581")) != std::string::npos;) bytes.replace(at, 3, "_");
    result.push_back(bytes);
  }
  return result;
}

TEST(PreTokenizer, MetaspaceSplitsInFrontOfEverySpace) {
  const Metaspace always{U'\u2581', PrependScheme::kAlways, true};
  EXPECT_THAT(spaced(always, "a bc  d", Place::kBeginsText), ElementsAre("_a", "_bc", "_", "_d"));
  EXPECT_THAT(spaced(always, " a", Place::kInside), ElementsAre("_a"));
  EXPECT_THAT(spaced(always, "a", Place::kInside), ElementsAre("_a"));
  EXPECT_THAT(spaced(always, "a b", Place::kContinuesText), ElementsAre("a", "_b"));
}

TEST(PreTokenizer, MetaspacePrependsWhereItsSchemeSays) {
  const Metaspace first{U'\u2581', PrependScheme::kFirst, false};
  EXPECT_THAT(spaced(first, "a b", Place::kBeginsText), ElementsAre("_a_b"));
  EXPECT_THAT(spaced(first, "a b", Place::kInside), ElementsAre("a_b"));
  EXPECT_THAT(spaced(first, "a b", Place::kContinuesText), ElementsAre("a_b"));
  const Metaspace never{U'\u2581', PrependScheme::kNever, false};
  EXPECT_THAT(spaced(never, "a b", Place::kBeginsText), ElementsAre("a_b"));
}

// The second byte of U+00F2, 0xB2, is spelled with a number.
TEST(PreTokenizer, SpelledStepsSeeBytesAsCharacters) {
  PreTokenized state{AlignedText("a\u00f2b"), {{0, 4}}};
  make_spelled_steps(make_digits(DigitRuns::kWholeRun))->refine(state);
  ASSERT_EQ(state.pieces.size(), 3u);
  EXPECT_EQ(state.pieces[1].begin, 2u);
  EXPECT_EQ(state.pieces[1].end, 3u);
}

}  // namespace
}  // namespace emend::text
