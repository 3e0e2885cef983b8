#include "base/strings.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/first_names.h"

namespace emend {
namespace {

TEST(Strings, JoinPutsSeparatorsBetweenOnly) {
  EXPECT_EQ(join({}), "");
  EXPECT_EQ(join({"a"}), "a");
  EXPECT_EQ(join({"a", "b", "c"}), "a, b, c");
  EXPECT_EQ(join({"a", "b"}, " or "), "a or b");
}

TEST(Strings, OccurrencesMayOverlap) {
  EXPECT_EQ(find_occurrences("anana an", "ana"), (std::vector<std::size_t>{0, 2}));
  EXPECT_EQ(find_occurrences("anana", "x"), std::vector<std::size_t>{});
}

TEST(Strings, QuoteEscapesWhatWouldBreakALine) {
  EXPECT_EQ(quote("wte.weight"), "\"wte.weight\"");
  EXPECT_EQ(quote("a\"b\\c\n\t\r\x1B\x7F"), "\"a\\\"b\\\\c\\n\\t\\r\\x1B\\x7F\"");
  EXPECT_EQ(quote("caf\xC3\xA9"), "\"caf\xC3\xA9\"");
  EXPECT_EQ(quote("bad \xFF\xC3"), "\"bad \\xFF\\xC3\"");
}

TEST(Strings, QuoteCutsLongTextAtACharacter) {
  EXPECT_EQ(quote("abcdef", 4), "\"abcd...\"");
  EXPECT_EQ(quote("abc\xC3\xA9", 4), "\"abc...\"");
  EXPECT_EQ(quote("abcd", 4), "\"abcd\"");
}

TEST(Strings, WordsForAShell) {
  EXPECT_EQ(shell_word("models/a-b_1.gguf"), "models/a-b_1.gguf");
  EXPECT_EQ(shell_word(""), "''");
  EXPECT_EQ(shell_word("two words"), "'two words'");
  EXPECT_EQ(shell_word("it's $HOME"), "'it'\\''s $HOME'");
}

TEST(Strings, BytesForPeople) {
  EXPECT_EQ(human_bytes(0), "0 bytes");
  EXPECT_EQ(human_bytes(1), "1 byte");
  EXPECT_EQ(human_bytes(999), "999 bytes");
  EXPECT_EQ(human_bytes(1000), "1.00 kB");
  EXPECT_EQ(human_bytes(98'100'000), "98.1 MB");
  EXPECT_EQ(human_bytes(999'999), "1.00 MB");
  EXPECT_EQ(human_bytes(1'250'000'000), "1.25 GB");
  EXPECT_EQ(human_bytes(UINT64_MAX), "18.4 EB");
}

TEST(Strings, SecondsForPeople) {
  EXPECT_EQ(human_seconds(0), "0.00 s");
  EXPECT_EQ(human_seconds(0.854), "0.85 s");
  EXPECT_EQ(human_seconds(9.999), "10.0 s");
  EXPECT_EQ(human_seconds(12.44), "12.4 s");
  EXPECT_EQ(human_seconds(59.99), "1 min 00 s");
  EXPECT_EQ(human_seconds(185), "3 min 05 s");
  EXPECT_EQ(human_seconds(3599.7), "1 h 00 min");
  EXPECT_EQ(human_seconds(2 * 3600 + 7 * 60), "2 h 07 min");
  EXPECT_EQ(human_seconds(-1), "unknown time");
  EXPECT_EQ(human_seconds(NAN), "unknown time");
  EXPECT_EQ(human_seconds(INFINITY), "unknown time");
}

TEST(SplitAt, KeepsEmptyParts) {
  using Parts = std::vector<std::string>;
  EXPECT_EQ(split_at("a|bc", '|'), (Parts{"a", "bc"}));
  EXPECT_EQ(split_at("a", '|'), Parts{"a"});
  EXPECT_EQ(split_at("|a||", '|'), (Parts{"", "a", "", ""}));
  EXPECT_EQ(split_at("", '|'), Parts{""});
}

TEST(Trim, CutsBlanksAtBothEnds) {
  EXPECT_EQ(trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(trim("a"), "a");
  EXPECT_EQ(trim(""), "");
  EXPECT_EQ(trim(" \n\t "), "");
}

TEST(Trim, CutsBlanksAtTheBackOnly) {
  EXPECT_EQ(trim_back(" a \n"), " a");
  EXPECT_EQ(trim_back("  "), "");
}

TEST(FirstNames, SayHowManyAreLeftOut) {
  EXPECT_EQ(first_names({}, 3), "");
  EXPECT_EQ(first_names({"a"}, 3), "a");
  EXPECT_EQ(first_names({"a", "b"}, 3), "a and b");
  EXPECT_EQ(first_names({"a", "b", "c", "d"}, 3), "a, b, c and d") << "one more is told, too";
  EXPECT_EQ(first_names({"a", "b", "c", "d", "e"}, 3), "a, b, c and 2 more");
}

}  // namespace
}  // namespace emend
