#include "text/regex.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "fixtures.h"

namespace emend::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> matches(const std::string& pattern, const std::string& subject) {
  const Regex regex(pattern, "test");
  RegexMatcher matcher(regex);
  std::vector<std::string> result;
  for (const ByteSpan& match : matcher.find_all(subject))
    result.push_back(subject.substr(match.begin, match.end - match.begin));
  return result;
}

TEST(Regex, FindsAllMatchesLeftmostFirst) {
  EXPECT_THAT(matches("a|ab|b+", "xabbbab"), ElementsAre("a", "bbb", "a", "b"));
  EXPECT_THAT(matches("x", ""), ElementsAre());
}

TEST(Regex, LeavesOutEmptyMatchesBehindAMatch) {
  EXPECT_THAT(matches("b*", "abc"), ElementsAre("", "b", ""));
}

TEST(Regex, StepsOverWholeCharactersAfterEmptyMatches) {
  EXPECT_THAT(matches("(?=x)|y", "\u00e9x\u00e9y"), ElementsAre("", "y"));
}

TEST(Regex, TakesMongolianVowelSeparatorForNoSpace) {
  EXPECT_THAT(matches(R"(\s+)", "a\u180e \u00a0\u3000b\u0085"), ElementsAre(" \u00a0\u3000", "\u0085"));
  EXPECT_THAT(matches(R"([^\s]+)", "a\u180eb c"), ElementsAre("a\u180eb", "c"));
}

TEST(Regex, KnowsLettersAndNumbersOfUnicode16) {
  EXPECT_THAT(matches(R"(\p{L}+)", "\U00031350a \ua7cb\U00010d50"),
              ElementsAre("\U00031350a", "\ua7cb\U00010d50"));
  EXPECT_THAT(matches(R"(\p{N}+)", "1\U00010d40 \U0001d2c0"), ElementsAre("1\U00010d40", "\U0001d2c0"));
  EXPECT_THAT(matches(R"(\p{Lu}|\p{Ll})", "\ua7cb\ua7cd\U00031350"), ElementsAre("\ua7cb", "\ua7cd"));
}

TEST(Regex, FoldsTheLongS) {
  EXPECT_THAT(matches("(?i:'s)", "it'\u017f IT'S"), ElementsAre("'\u017f", "'S"));
}

TEST(Regex, AnchorsMatchAtEachLineAsInRuby) {
  EXPECT_THAT(matches("^b|a$", "a\nb"), ElementsAre("a", "b"));
}

TEST(Regex, LiteralMatchesItsTextOnly) {
  const Regex regex = Regex::literal("a.b*(\\E", "test");
  RegexMatcher matcher(regex);
  EXPECT_EQ(matcher.find_all("axb a.b*(\\E").size(), 1u);
}

TEST(Regex, LiteralTakesEveryPunctuationMarkAsItself) {
  for (char c = '!'; c <= '~'; ++c) {
    const Regex regex = Regex::literal(std::string(1, c), "test");
    RegexMatcher matcher(regex);
    std::string all;
    for (char other = '!'; other <= '~'; ++other) all += other;
    const std::vector<ByteSpan> found = matcher.find_all(all);
    ASSERT_EQ(found.size(), 1u) << c;
    EXPECT_EQ(found[0].begin, static_cast<std::size_t>(c - '!'));
  }
}

TEST(Regex, SaysWhereAPatternIsBroken) {
  const std::string message =
      test::error_of(ErrorKind::kFormat, [] { Regex("a(b", "file.json: \"pattern\""); });
  EXPECT_THAT(message, HasSubstr("file.json: \"pattern\": the regex a(b does not compile: end pattern with "
                                 "unmatched parenthesis"));
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, [] { Regex("\\p{Nonsense}", "f"); }),
              HasSubstr("invalid character property name {Nonsense}"));
}

// The expected values of the tests named OnigurumaReads... are what `tokenizers` 0.23.3 gives; a comment says
// why.

TEST(Regex, OnigurumaReadsIntersectionsHexDigitsAndDotAll) {
  EXPECT_THAT(matches("[a-f&&[^b-d]]+", "abcdef"), ElementsAre("a", "ef"));
  EXPECT_THAT(matches(R"(\h+|\H)", "0fg"), ElementsAre("0f", "g"));    // \h is a hexadecimal digit
  EXPECT_THAT(matches("(?m:a.)|.", "a\nb"), ElementsAre("a\n", "b"));  // (?m) lets the dot match a newline
  EXPECT_THAT(matches(R"(\\h)", "\\h"), ElementsAre("\\h"));
}

// A `+` behind an interval repeats it; it does not make it possessive.
TEST(Regex, OnigurumaReadsAPlusBehindAnIntervalAsARepeat) {
  EXPECT_THAT(matches(R"(\p{N}{1,3}+|[^\p{N}]+)", "year 2024"), ElementsAre("year ", "2024"));
  const std::string from_the_right = R"(\A\p{N}{1,2}(?=(?:\p{N}){3}+\z)|\p{N}{3})";
  EXPECT_THAT(matches(from_the_right, "1234567"), ElementsAre("1", "234", "567"));
  EXPECT_THAT(matches(from_the_right, "1234567890"), ElementsAre("1", "234", "567", "890"));
  EXPECT_THAT(matches(from_the_right, "123456"), ElementsAre("123", "456"));
  // Behind `+`, `*` and `?` it is possessive.
  EXPECT_THAT(matches(R"(\p{L}++|\s++)", "na\u00efve 12"), ElementsAre("na\u00efve", " "));
  EXPECT_THAT(matches("a++ab|b", "aaab"), ElementsAre("b"));
}

// `{,n}` is an interval from 0, and `{n}?` is an optional `{n}`.
TEST(Regex, OnigurumaReadsIntervalsWithoutALowerEnd) {
  // The empty matches stand before "b" and the end, so that the pieces are aa, aa, " " and b.
  EXPECT_THAT(matches("a{,2}|[^a]+", "aaaa b"), ElementsAre("aa", "aa", "", ""));
  EXPECT_THAT(matches("xa{2}?", "xaax"), ElementsAre("xaa", "x"));
}

// \w holds marks: the vowel signs of Hindi, U+0E35 and U+0E49 of Thai, combining accents.
TEST(Regex, OnigurumaReadsMarksAsWordCharacters) {
  const std::string hindi = "\u0939\u093f\u0928\u094d\u0926\u0940";
  EXPECT_THAT(matches(R"(\w+|\s+|[^\w\s]+)", hindi + " \u0e19\u0e35\u0e49 cafe\u0301"),
              ElementsAre(hindi, " ", "\u0e19\u0e35\u0e49", " ", "cafe\u0301"));
  EXPECT_THAT(matches(R"(\b\w+\b|.)", hindi + "-nai\u0308ve"), ElementsAre(hindi, "-", "nai\u0308ve"));
  EXPECT_THAT(matches(R"(\w+)", "x\u00b2"), ElementsAre("x\u00b2"));
}

// Alphabetic: the vowel signs are, the virama U+094D is not.
TEST(Regex, OnigurumaReadsAlphaAsAlphabetic) {
  EXPECT_THAT(matches("[[:alpha:]]+|[^[:alpha:]]+", "\u0939\u093f\u0928\u094d\u0926\u0940 12"),
              ElementsAre("\u0939\u093f\u0928", "\u094d", "\u0926\u0940", " 12"));
  EXPECT_THAT(matches("[[:alpha:]]+", "a\u0363b"), ElementsAre("a\u0363b"));  // Alphabetic since Unicode 16
}

// [[:punct:]] is P and S, \p{Punct} is P alone; U+200D (Cf) is in neither.
TEST(Regex, OnigurumaReadsPunctuationWithSymbols) {
  EXPECT_THAT(matches("[[:punct:]]+", "a+!\u200d\u20ac\u00a7b$"), ElementsAre("+!", "\u20ac\u00a7", "$"));
  EXPECT_THAT(matches("[^[:punct:]]+", "a+\u200d!"), ElementsAre("a", "\u200d"));
  EXPECT_THAT(matches(R"(\p{Punct}+)", "a+!\u20ac\u00a7b$"), ElementsAre("!", "\u00a7"));
}

TEST(Regex, OnigurumaReadsSetsInSets) {
  EXPECT_THAT(matches("[a-c[x-z]]+|.", "abxyzm"), ElementsAre("abxyz", "m"));
}

// \v is U+000B alone.
TEST(Regex, OnigurumaReadsVAsVerticalTab) {
  EXPECT_THAT(matches(R"(\v+)", "a\n\v\v\f\u2028"), ElementsAre("\v\v"));
}

TEST(Regex, KnowsMarksPunctuationAndScriptsOfUnicode16) {
  EXPECT_THAT(matches(R"(\p{M}+)", "a\u0897\U00010efdb"), ElementsAre("\u0897\U00010efd"));
  EXPECT_THAT(matches(R"(\w+)", "a\u0897\U00010efdb -"), ElementsAre("a\u0897\U00010efdb"));
  EXPECT_THAT(matches(R"(\p{P}|\p{S}+)", "\u1b4e \u2427\U0001f6dc"),
              ElementsAre("\u1b4e", "\u2427\U0001f6dc"));
  EXPECT_THAT(matches(R"(\p{Han}+)", "\u4e2d\U00031350\U0002ebf0a"),
              ElementsAre("\u4e2d\U00031350\U0002ebf0"));
  EXPECT_THAT(matches(R"(\p{Cn})", "\u0897\U00031350\u0378"), ElementsAre("\u0378"));
}

// A pattern that names such a character is about that character, not about its twin.
TEST(Regex, NewCharactersAreNotMistakenForOthers) {
  EXPECT_THAT(matches("\U00031350", "\U00031350\U00031351"), ElementsAre("\U00031350"));
  EXPECT_THAT(matches(R"((\p{L})\1)", "\U00031350\U00031351\U00031351"), ElementsAre("\U00031351\U00031351"));
}

TEST(Regex, KnowsNegatedBrackets) {
  EXPECT_THAT(matches("[[:^alpha:]]+", "ab12\u00e9-"), ElementsAre("12", "-"));
  EXPECT_THAT(matches("[^[:^alpha:]]+", "ab12\u00e9-"), ElementsAre("ab", "\u00e9"));
  EXPECT_THAT(matches("[a[:^word:]]+", "ba -b"), ElementsAre("a -"));
}

TEST(Regex, StopsAPatternThatTakesTooManySteps) {
  const Regex regex("(a+)+$", "file.json");
  RegexMatcher matcher(regex);
  EXPECT_THAT(
      test::error_of(ErrorKind::kFormat, [&] { matcher.find_all(std::string(60, 'a') + "b"); }),
      HasSubstr("file.json: the regex (a+)+$ failed on a text of 61 bytes: retry-limit-in-match over"));
}

// No single place takes too many steps here; all places together would take a hundred thousand million.
TEST(Regex, StopsASearchThatIsQuadraticInTheText) {
  const Regex regex("\\w*\\d", "file.json");
  RegexMatcher matcher(regex);
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { matcher.find_all(std::string(500'000, 'a')); }),
              HasSubstr("retry-limit-in-search over"));
}

TEST(Regex, StopsAPatternThatCallsItselfWithoutEnd) {
  EXPECT_THROW(matches("(?<x>a|\\g<x>b)", std::string(60, 'b')), Error);
}

TEST(Regex, MatchesLongRunsWithinItsStack) {
  EXPECT_EQ(matches(R"((?:\p{L}\p{M}*)+)", std::string(2'000'000, 'a')).size(), 1u);
}

}  // namespace
}  // namespace emend::text
