#include "text/normalizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "../base/expect_error.h"
#include "text/precompiled.h"
#include "text/unicode.h"
#include "utf8proc.h"

namespace emend::text {
namespace {

std::string normalized(const std::unique_ptr<Normalizer>& normalizer, const std::string& text) {
  return std::string(normalizer->normalize(AlignedText(text)).text());
}

TEST(Normalizer, UnicodeForms) {
  EXPECT_EQ(normalized(make_unicode_normalizer(UnicodeForm::kNfc), "e\u0301 \u212b"), "\u00e9 \u00c5");
  EXPECT_EQ(normalized(make_unicode_normalizer(UnicodeForm::kNfd), "\u00e9"), "e\u0301");
  EXPECT_EQ(normalized(make_unicode_normalizer(UnicodeForm::kNfkc), "\ufb01 e\u0301"), "fi \u00e9");
  EXPECT_EQ(normalized(make_unicode_normalizer(UnicodeForm::kNfkd), "\u00bd"), "1\u20442");
}

TEST(Normalizer, LowerCaseOfAText) {
  EXPECT_EQ(lower_case("Rome, \u00c5NGSTR\u00d6M"), "rome, \u00e5ngstr\u00f6m");
  EXPECT_EQ(lower_case("\u0130"), "i\u0307");
  EXPECT_EQ(lower_case("A\xff"
                       "B"),
            "a\ufffd"
            "b")
      << "not UTF-8";
  EXPECT_EQ(lower_case(""), "");
}

// Units between boundaries are normalised one by one; utf8proc normalises the whole.
TEST(Normalizer, UnitByUnitEqualsTheWhole) {
  static constexpr char32_t kCharacters[] = {
      'a',    'e',    0xE9,   0x300,   0x301,   0x323,   0x327,  0x344,  0x9C7,  0x9BE,  0xB47,
      0xB3E,  0x1100, 0x1161, 0x11A8,  0xAC00,  0x1025,  0x102E, 0x212B, 0x2126, 0xFB01, 0xFF76,
      0xFF9E, 0xFB1D, 0x958,  0x11099, 0x110BA, 0x1D15E, 0xF73,  0x0DD9, 0x0DCF};
  std::mt19937 random(3);
  for (const UnicodeForm form :
       {UnicodeForm::kNfc, UnicodeForm::kNfd, UnicodeForm::kNfkc, UnicodeForm::kNfkd}) {
    const auto normalizer = make_unicode_normalizer(form);
    for (int i = 0; i < 3000; ++i) {
      std::string text;
      for (std::size_t length = 1 + random() % 8; length > 0; --length) {
        append_utf8(text, kCharacters[random() % std::size(kCharacters)]);
      }
      const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.c_str());
      utf8proc_uint8_t* whole = form == UnicodeForm::kNfc    ? utf8proc_NFC(bytes)
                                : form == UnicodeForm::kNfd  ? utf8proc_NFD(bytes)
                                : form == UnicodeForm::kNfkc ? utf8proc_NFKC(bytes)
                                                             : utf8proc_NFKD(bytes);
      ASSERT_EQ(normalized(normalizer, text), reinterpret_cast<const char*>(whole));
      std::free(whole);
    }
  }
}

TEST(Normalizer, ComposedCharactersStandForAllTheirParts) {
  const AlignedText text = make_unicode_normalizer(UnicodeForm::kNfc)->normalize(AlignedText("ae\u0301b"));
  ASSERT_EQ(text.text(), "a\u00e9b");
  const ByteSpan accent = text.origin(1, 3), behind = text.origin(3, 4);
  EXPECT_EQ(accent.begin, 1u);
  EXPECT_EQ(accent.end, 4u);
  EXPECT_EQ(behind.begin, 4u);
}

TEST(Normalizer, Others) {
  EXPECT_EQ(normalized(make_lowercase(), "\u00c4B\u0130\u03a3"), "\u00e4bi\u0307\u03c3");
  EXPECT_EQ(normalized(make_strip_accents(), "e\u0301a"), "ea");
  EXPECT_EQ(normalized(make_strip(true, true), " \u00a0a b\n"), "a b");
  EXPECT_EQ(normalized(make_strip(true, true), "  "), "");
  EXPECT_EQ(normalized(make_prepend("_"), "a"), "_a");
  EXPECT_EQ(normalized(make_prepend("_"), ""), "");
  EXPECT_EQ(normalized(make_replace(Regex("[0-9]+", "t"), "#"), "a12b3"), "a#b#");
}

TEST(Normalizer, SequenceRunsInOrder) {
  std::vector<std::unique_ptr<Normalizer>> parts;
  parts.push_back(make_replace(Regex::literal("A", "t"), "B"));
  parts.push_back(make_lowercase());
  const auto sequence = make_normalizer_sequence(std::move(parts));
  EXPECT_EQ(normalized(sequence, "Aa"), "ba");
  EXPECT_EQ(sequence->describe(), "[Replace(\"A\",\"B\"),Lowercase]");
}

TEST(Normalizer, ReadsBase64) {
  EXPECT_EQ(from_base64("QUJD"), "ABC");
  EXPECT_EQ(from_base64("QUI="), "AB");
  EXPECT_EQ(from_base64("/+8="), "\xFF\xEF");
  EXPECT_FALSE(from_base64("QU I="));
}

TEST(Normalizer, RefusesABrokenTableOfCharacters) {
  const auto refusal = [](const std::string& bytes) {
    return test::error_of(ErrorKind::kFormat, [&] { make_precompiled(bytes, "file"); });
  };
  EXPECT_THAT(refusal("abc"), testing::HasSubstr("file: the table of characters is too short"));
  EXPECT_THAT(refusal(std::string("\x08\0\0\0abcd", 8)), testing::HasSubstr("its trie 8"));
  EXPECT_THAT(refusal(std::string("\x04\0\0\0abcd\xFF", 9)), testing::HasSubstr("not UTF-8"));
}

// Units that point anywhere: nothing is read outside the table.
TEST(Normalizer, ADamagedTrieFindsSomethingOrNothing) {
  std::mt19937 random(5);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes("\x40\0\0\0", 4);
    for (int i = 0; i < 64; ++i) bytes += static_cast<char>(random());
    const auto normalizer = make_precompiled(bytes + "ab" + std::string(1, '\0') + "c", "file");
    std::string text;
    for (int i = 0; i < 20; ++i) text += static_cast<char>(1 + random() % 127);
    normalizer->normalize(AlignedText(text));
  }
}

// The trie has one key, "a": its value is where the replacement begins.
TEST(Normalizer, APointerIntoACharacterReplacesNothing) {
  const auto table = [](char value) {
    std::string bytes(4 + 4 * 256, '\0');
    bytes[1] = 4;  // bytes of the trie: 1024
    const auto put = [&](std::size_t unit, std::string_view four) { bytes.replace(4 + 4 * unit, 4, four); };
    put(0, std::string("\0\x04\0\0", 4));       // the children are at 1 ^ label
    put(1 ^ 'a', std::string("a\x09\0\0", 4));  // label a, has a value, at 2 further on
    put(1 ^ 'a' ^ 2, std::string(1, value) + std::string("\0\0\x80", 3));
    return make_precompiled(bytes + "\u00e9" + std::string(1, '\0'), "file");
  };
  EXPECT_EQ(normalized(table(0), "a"), "\u00e9");
  EXPECT_EQ(normalized(table(1), "a"), "a");
}

}  // namespace
}  // namespace emend::text
