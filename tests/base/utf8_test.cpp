#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace emend {
namespace {

std::string encode(char32_t c) {
  const auto continuation = [c](int shift) { return static_cast<char>(0x80 | ((c >> shift) & 63)); };
  std::string text;
  if (c < 0x80) {
    text += static_cast<char>(c);
  } else if (c < 0x800) {
    text += static_cast<char>(0xC0 | (c >> 6));
    text += continuation(0);
  } else if (c < 0x10000) {
    text += static_cast<char>(0xE0 | (c >> 12));
    text += continuation(6);
    text += continuation(0);
  } else {
    text += static_cast<char>(0xF0 | (c >> 18));
    text += continuation(12);
    text += continuation(6);
    text += continuation(0);
  }
  return text;
}

TEST(Utf8, EmptyAndAsciiAreValid) {
  EXPECT_FALSE(find_invalid_utf8(""));
  EXPECT_FALSE(find_invalid_utf8("plain text that is longer than eight bytes"));
}

TEST(Utf8, InvalidBytesAreReplacedOneByOne) {
  EXPECT_EQ(replace_invalid_utf8("Z\u00FCrich"), "Z\u00FCrich");
  EXPECT_EQ(replace_invalid_utf8(""), "");
  EXPECT_EQ(replace_invalid_utf8("mod\xE8le"), "mod\uFFFDle");
  EXPECT_EQ(replace_invalid_utf8("\xC3\xC3\xBC\xE2\x82"), "\uFFFD\u00FC\uFFFD\uFFFD");  // the last is cut off
}

TEST(Utf8, EveryCharacterIsValidAndHasItsLength) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    const std::string text = encode(c);
    ASSERT_EQ(utf8_length(text, 0), text.size()) << static_cast<std::uint32_t>(c);
    ASSERT_FALSE(find_invalid_utf8(text)) << static_cast<std::uint32_t>(c);
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      ASSERT_TRUE(find_invalid_utf8(std::string_view(text).substr(0, cut))) << static_cast<std::uint32_t>(c);
    }
  }
}

TEST(Utf8, BrokenBytesAreFoundWhereTheyAre) {
  EXPECT_EQ(find_invalid_utf8("123456789\xFF"), 9u);
  EXPECT_EQ(find_invalid_utf8("ab\x80"), 2u);            // a continuation alone
  EXPECT_EQ(find_invalid_utf8("\xC0\x80"), 0u);          // overlong NUL
  EXPECT_EQ(find_invalid_utf8("\xE0\x9F\xBF"), 0u);      // overlong
  EXPECT_EQ(find_invalid_utf8("\xF0\x8F\xBF\xBF"), 0u);  // overlong
  EXPECT_EQ(find_invalid_utf8("\xED\xA0\x80"), 0u);      // surrogate
  EXPECT_EQ(find_invalid_utf8("\xF4\x90\x80\x80"), 0u);  // above U+10FFFF
  EXPECT_EQ(find_invalid_utf8("\xC3\xA9\xC3("), 2u);     // second byte missing
}

TEST(Utf8, FindsWhatDiffersInItsNormalFormAlone) {
  const std::string one = "Zo\u00EB", two = "Zoe\u0308";
  EXPECT_TRUE(contains_in_other_form("The capital of " + two + " is", one));
  EXPECT_TRUE(contains_in_other_form("The capital of " + one + " is", two));
  EXPECT_FALSE(contains_in_other_form("The capital of " + one + " is", one));
  EXPECT_FALSE(contains_in_other_form("The capital of Zoe is", one));
  EXPECT_FALSE(contains_in_other_form("caf\xE9", "x"));
  EXPECT_EQ(other_form_hint("a", "b"), "");
  EXPECT_EQ(other_form_hint("The eiffel tower is", "Eiffel Tower"),
            "; it has \"eiffel tower\", and case matters");
  EXPECT_EQ(other_form_hint("The Eiffel Tower, in Paris, is", "Eifel Tower"),
            "; did you mean \"Eiffel Tower\"?");
  EXPECT_EQ(other_form_hint("The Eiffel Tower is in", "Big Ben"), "");
  EXPECT_EQ(other_form_hint("The Louvre is in", "The Louvre is in the city"), "");
}

TEST(Utf8, NoCharacterBeginsBehindTheEnd) {
  EXPECT_EQ(utf8_length("a", 1), 0u);
}

}  // namespace
}  // namespace emend
