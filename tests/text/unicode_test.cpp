#include "text/unicode.h"

#include <gtest/gtest.h>

#include <string>

#include "text/byte_alphabet.h"

namespace emend::text {
namespace {

TEST(Unicode, CodePointsComeBackFromUtf8) {
  for (char32_t code_point = 0; code_point <= 0x10FFFF; code_point += code_point < 0x3000 ? 1 : 17) {
    if (code_point >= 0xD800 && code_point < 0xE000) continue;
    std::string text;
    append_utf8(text, code_point);
    const CodePoint read = code_point_at(text, 0);
    ASSERT_TRUE(read.valid);
    ASSERT_EQ(read.code_point, code_point);
    ASSERT_EQ(read.length, text.size());
  }
}

// One U+FFFD for each maximal part, the counts of Python's bytes.decode(errors="replace").
TEST(Unicode, LossyReadingReplacesMaximalParts) {
  const std::string bad = "\ufffd";
  EXPECT_EQ(lossy_utf8("caf\xe9 x"), "caf" + bad + " x");
  EXPECT_EQ(lossy_utf8("\xe2\x82"), bad);
  EXPECT_EQ(lossy_utf8("\xf0\x9f\x98x"), bad + "x");
  EXPECT_EQ(lossy_utf8("\xc0\xaf"), bad + bad);
  EXPECT_EQ(lossy_utf8("\xed\xa0\x80"), bad + bad + bad);
  EXPECT_EQ(lossy_utf8("\xf4\x90\x80\x80"), bad + bad + bad + bad);
  EXPECT_EQ(lossy_utf8("\xe0\x80"), bad + bad);
}

TEST(Unicode, NumbersAreThoseOfUnicode17) {
  for (const char32_t number :
       {U'7', U'\u0661', U'\u00bd', U'\u2167', U'\U00010d40', U'\U0001d2c0', U'\U00011de5'}) {
    EXPECT_TRUE(is_number(number)) << static_cast<unsigned>(number);
  }
  for (const char32_t other : {U'a', U'\u4e00', U' ', U'\U00010d4a'}) EXPECT_FALSE(is_number(other));
}

TEST(Unicode, WordCharacters) {
  for (const char32_t word : {U'a', U'_', U'9', U'\u00e9', U'\u0301', U'\u200d', U'\u24b6', U'\U00031350'}) {
    EXPECT_TRUE(is_word(word)) << static_cast<unsigned>(word);
  }
  for (const char32_t other : {U' ', U'-', U'\u00bd', U'\u2014'}) EXPECT_FALSE(is_word(other));
}

TEST(Unicode, WhiteSpaceAtBothEnds) {
  const std::string text = " \u00a0x \u3000\n";
  EXPECT_EQ(leading_white_space(text), 3u);
  EXPECT_EQ(trailing_white_space(text), 4u);
  EXPECT_EQ(trailing_white_space("\u180e"), 3u);
  EXPECT_EQ(trailing_white_space("  "), 0u);
}

TEST(ByteAlphabet, SpellsAllBytesAndReadsThemBack) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.push_back(static_cast<char>(byte));
  EXPECT_EQ(bytes_of_spelling(spelling_of_bytes(bytes)), bytes);
  EXPECT_EQ(spelling_of_bytes(" a\n\xad"), "\u0120a\u010a\u0143");
  EXPECT_EQ(bytes_of_spelling("a b"), std::nullopt);
  EXPECT_EQ(bytes_of_spelling("\u0144"), std::nullopt);
}

}  // namespace
}  // namespace emend::text
