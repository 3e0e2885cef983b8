// Properties that hold for any text, on random ones made of the characters that tokenizers treat in special
// ways.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "emend/tokenizer.h"
#include "fixtures.h"
#include "text/unicode.h"

namespace emend {
namespace {

constexpr int kTexts = 2000;

std::string random_text(std::mt19937& random) {
  static constexpr char32_t kCharacters[] = {
      'a',    'b',    'e',    't',    's',    'T',     'S',     'Z',     '0',    '1',    '9',
      ' ',    ' ',    '\n',   '\r',   '\t',   '\'',    '.',     ',',     '!',    '/',    '<',
      '|',    '>',    0x85,   0xA0,   0xE9,   0x17F,   0x301,   0x323,   0x660,  0x915,  0x94D,
      0xE33,  0x1100, 0x1161, 0x11A8, 0x180E, 0x1C89,  0x2003,  0x200D,  0x2028, 0x212A, 0x3000,
      0x4E2D, 0xAC00, 0xA7CB, 0xFB01, 0xFFFD, 0x10D40, 0x1F469, 0x1F3FD, 0x31350};
  std::string text;
  const int length = std::uniform_int_distribution<int>(0, 40)(random);
  for (int i = 0; i < length; ++i) {
    const int kind = std::uniform_int_distribution<int>(0, 30)(random);
    if (kind == 0) {
      text += "<|endoftext|>";
    } else if (kind < 3) {
      char32_t any = 0xD800;
      while (any >= 0xD800 && any < 0xE000)
        any = std::uniform_int_distribution<std::uint32_t>(0, 0x10FFFF)(random);
      text::append_utf8(text, any);
    } else {
      text::append_utf8(
          text,
          kCharacters[std::uniform_int_distribution<std::size_t>(0, std::size(kCharacters) - 1)(random)]);
    }
  }
  return text;
}

std::string random_bytes(std::mt19937& random) {
  std::string bytes = random_text(random);
  for (char& byte : bytes) {
    if (std::uniform_int_distribution<int>(0, 9)(random) == 0) {
      byte = static_cast<char>(std::uniform_int_distribution<int>(0, 255)(random));
    }
  }
  return bytes;
}

class RandomText : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Tokenizer> tokenizer_ = test::load_tokenizer(GetParam());
  std::mt19937 random_{20261122};
};

TEST_P(RandomText, DecodingGivesItBackAndSpansAreContiguous) {
  for (int i = 0; i < kTexts; ++i) {
    const std::string text = random_text(random_);
    const Encoding encoding = tokenizer_->encode(text, SpecialTokens::kNone);
    ASSERT_TRUE(test::spans_cover(encoding, text.size())) << text;
    ASSERT_EQ(tokenizer_->decode(encoding.ids, false), text);
  }
}

TEST_P(RandomText, BrokenUtf8IsReadAsItsLossyForm) {
  for (int i = 0; i < kTexts; ++i) {
    const std::string bytes = random_bytes(random_);
    const std::string lossy = text::lossy_utf8(bytes);
    const Encoding encoding = tokenizer_->encode(bytes, SpecialTokens::kNone);
    ASSERT_TRUE(test::spans_cover_with_sharing(encoding, bytes.size()));
    ASSERT_EQ(encoding.ids, tokenizer_->encode(lossy, SpecialTokens::kNone).ids);
    ASSERT_EQ(tokenizer_->decode(encoding.ids, false), lossy);
  }
}

INSTANTIATE_TEST_SUITE_P(All, RandomText, testing::Values("gpt2", "llama3", "smollm", "tekken"),
                         [](const auto& param) { return param.param; });

TEST(RandomTextWithNfc, SpansLeaveNothingOut) {
  const auto tokenizer = test::load_tokenizer("qwen2");
  std::mt19937 random(7);
  for (int i = 0; i < kTexts; ++i) {
    const std::string bytes = random_bytes(random);
    ASSERT_TRUE(test::spans_cover_with_sharing(tokenizer->encode(bytes, SpecialTokens::kNone), bytes.size()))
        << bytes;
  }
}

}  // namespace
}  // namespace emend
