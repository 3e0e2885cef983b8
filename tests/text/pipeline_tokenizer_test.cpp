// Tokenizers of models on characters: where a text stands, spans, and the way back.
#include "text/pipeline_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/utf8.h"
#include "emend/tokenizer.h"
#include "fixtures.h"

namespace emend {
namespace {

using testing::ElementsAre;

std::vector<std::string> tokens_of(const Tokenizer& tokenizer, const std::string& text,
                                   Position position = Position::kStart) {
  std::vector<std::string> tokens;
  for (const std::int64_t id : tokenizer.encode(text, SpecialTokens::kNone, position).ids)
    tokens.push_back(tokenizer.token_bytes(id));
  return tokens;
}

std::vector<std::int64_t> joined(std::vector<std::int64_t> first, const std::vector<std::int64_t>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

class WithPrefix : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Tokenizer> tokenizer_ = test::load_tokenizer(GetParam());
  std::vector<std::int64_t> ids(const std::string& text, Position position = Position::kStart) const {
    return tokenizer_->encode(text, SpecialTokens::kNone, position).ids;
  }
};

TEST_P(WithPrefix, OnlyABeginningGetsIt) {
  EXPECT_NE(ids("The"), ids("The", Position::kContinuation));
  EXPECT_EQ(ids("The"), ids(" The", Position::kContinuation));
  EXPECT_TRUE(ids("", Position::kContinuation).empty());
}

TEST_P(WithPrefix, NextWordsContinueTheTextAsTheWholeTextHasThem) {
  EXPECT_EQ(joined(ids("The city of"), encode_next_words(*tokenizer_, "Paris")), ids("The city of Paris"));
  EXPECT_EQ(encode_next_words(*tokenizer_, "\u6771\u4eac"), ids("\u6771\u4eac", Position::kContinuation))
      << "no space in front of CJK";
}

TEST_P(WithPrefix, ContinuationsBesideAnAddedTokenAreThoseOfTheWholeText) {
  const std::vector<std::int64_t> whole = ids("The city<|endoftext|>of it");
  EXPECT_EQ(joined(ids("The"), ids(" city<|endoftext|>of it", Position::kContinuation)), whole);
}

TEST_P(WithPrefix, TheWayBackLeavesOutWhatWasPutInFront) {
  if (GetParam() == "prefix_space") return;  // its decoder gives the space back, in `tokenizers` as well
  EXPECT_EQ(tokenizer_->decode(ids("The city"), false), "The city");
  EXPECT_EQ(tokenizer_->decode(ids(" city", Position::kContinuation), false, Position::kContinuation),
            " city");
}

INSTANTIATE_TEST_SUITE_P(All, WithPrefix, testing::Values("llama2", "mistral", "prefix_space", "spm"),
                         [](const auto& param) { return param.param; });

TEST(WithoutPrefix, APlaceChangesNothing) {
  for (const char* name : {"gpt2", "llama3", "gemma", "spm_gemma"}) {
    const auto tokenizer = test::load_tokenizer(name);
    for (const std::string text : {"The city", " of", "\n"}) {
      const auto ids = tokenizer->encode(text, SpecialTokens::kNone).ids;
      EXPECT_EQ(ids, tokenizer->encode(text, SpecialTokens::kNone, Position::kContinuation).ids) << name;
      EXPECT_EQ(tokenizer->decode(ids, false), text) << name;
      EXPECT_EQ(tokenizer->decode(ids, false, Position::kContinuation), text) << name;
    }
  }
}

TEST(WithPrefixInside, APrefixComesBehindEveryAddedTokenOrNot) {
  EXPECT_THAT(tokens_of(*test::load_tokenizer("llama2"), "a<s>a"), ElementsAre(" a", "<s>", " a"));
  EXPECT_THAT(tokens_of(*test::load_tokenizer("mistral"), "a<s>a"), ElementsAre(" a", "<s>", "a"));
  EXPECT_THAT(tokens_of(*test::load_tokenizer("spm"), "a<s>a"), ElementsAre(" a", "<s>", " a"));
}

class Characters : public testing::TestWithParam<std::string> {};

// But for the prefix, a token is the bytes of its span, down to the bytes of one character.
TEST_P(Characters, SpansAreExact) {
  const auto tokenizer = test::load_tokenizer(GetParam());
  for (const auto& record : test::read_records(GetParam())) {
    if (find_invalid_utf8(record.text)) continue;
    const Encoding encoding = tokenizer->encode(record.text, SpecialTokens::kNone);
    EXPECT_EQ(encoding.ids, record.ids) << record.text;
    EXPECT_TRUE(test::spans_cover(encoding, record.text.size())) << record.text;
    for (std::size_t i = 0; i < encoding.ids.size(); ++i) {
      const auto [begin, end] = encoding.spans[i];
      const std::string bytes = tokenizer->token_bytes(encoding.ids[i]);
      const std::string text = record.text.substr(begin, end - begin);
      EXPECT_TRUE(bytes == text || bytes == " " + text) << record.text << ": " << bytes;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Characters, testing::Values("gemma", "spm", "spm_gemma"),
                         [](const auto& param) { return param.param; });

TEST(CharactersByBytes, EachByteHasItsOwnSpan) {
  const auto tokenizer = test::load_tokenizer("spm_gemma");
  const Encoding encoding = tokenizer->encode("a\u3013", SpecialTokens::kNone);
  ASSERT_EQ(encoding.ids.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(encoding.spans[i].begin, i);
  EXPECT_EQ(tokenizer->decode(encoding.ids, false), "a\u3013");
  const std::vector<std::int64_t> cut(encoding.ids.begin(), encoding.ids.end() - 1);
  EXPECT_EQ(tokenizer->decode(cut, false), "a\ufffd\ufffd") << "one for each byte of a broken run";
}

}  // namespace
}  // namespace emend
