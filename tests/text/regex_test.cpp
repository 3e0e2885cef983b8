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

TEST(Regex, SaysWhereAPatternIsBroken) {
  const std::string message =
      test::error_of(ErrorKind::kFormat, [] { Regex("a(b", "file.json: \"pattern\""); });
  EXPECT_THAT(message, HasSubstr("file.json: \"pattern\": the regex a(b does not compile at byte 3"));
}

TEST(Regex, RefusesWhatOnigurumaReadsInAnotherWay) {
  for (const std::string pattern : {"[a&&b]", "\\h", "(?m:.)"}) {
    EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { Regex(pattern, "f"); }), HasSubstr("not supported"))
        << pattern;
  }
  EXPECT_THAT(matches(R"(\\h)", "\\h"), ElementsAre("\\h"));
}

TEST(Regex, StopsAPatternThatTakesTooManySteps) {
  const Regex regex("(a+)+$", "file.json");
  RegexMatcher matcher(regex);
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { matcher.find_all(std::string(60, 'a') + "b"); }),
              HasSubstr("failed on a text of 61 bytes"));
}

TEST(Regex, MatchesLongRunsWithinItsStack) {
  EXPECT_EQ(matches(R"((?:\p{L}\p{M}*)+)", std::string(2'000'000, 'a')).size(), 1u);
}

}  // namespace
}  // namespace emend::text
