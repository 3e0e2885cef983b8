// Ids and decoded text are those that the `tokenizers` package gave for the same files and texts.
#include <gtest/gtest.h>

#include <string>

#include "base/utf8.h"
#include "emend/tokenizer.h"
#include "fixtures.h"
#include "text/unicode.h"

namespace emend {
namespace {

class RecordedIds : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Tokenizer> tokenizer_ = test::load_tokenizer(GetParam());
  std::vector<test::RecordedText> records_ = test::read_records(GetParam());
};

TEST_P(RecordedIds, AreMetWithoutSpecialTokens) {
  for (const auto& record : records_) {
    EXPECT_EQ(tokenizer_->encode(record.text, SpecialTokens::kNone).ids, record.ids) << record.text;
  }
}

TEST_P(RecordedIds, AreMetWithSpecialTokens) {
  for (const auto& record : records_) {
    EXPECT_EQ(tokenizer_->encode(record.text, SpecialTokens::kAuto).ids, record.auto_ids) << record.text;
  }
}

TEST_P(RecordedIds, DecodeToTheSameText) {
  for (const auto& record : records_) EXPECT_EQ(tokenizer_->decode(record.ids, false), record.decoded);
}

TEST_P(RecordedIds, HaveSpansInOrderInsideTheText) {
  for (const auto& record : records_) {
    std::size_t begin = 0, end = 0;
    for (const ByteSpan& span : tokenizer_->encode(record.text, SpecialTokens::kAuto).spans) {
      EXPECT_GE(span.begin, begin) << record.text;
      EXPECT_GE(span.end, end) << record.text;
      EXPECT_LE(span.begin, span.end) << record.text;
      begin = span.begin;
      end = span.end;
    }
    EXPECT_LE(end, record.text.size());
  }
}

INSTANTIATE_TEST_SUITE_P(All, RecordedIds,
                         testing::Values("gpt2", "llama3", "smollm", "qwen2", "prefix_space", "rewriting",
                                         "tekken", "falcon", "llama2", "mistral", "gemma", "unigram",
                                         "unigram_bytes", "t5"),
                         [](const auto& param) { return param.param; });

class WithoutNormalizer : public RecordedIds {};

TEST_P(WithoutNormalizer, SpansCoverTheText) {
  for (const auto& record : records_) {
    const Encoding encoding = tokenizer_->encode(record.text, SpecialTokens::kNone);
    if (find_invalid_utf8(record.text)) {
      EXPECT_TRUE(test::spans_cover_with_sharing(encoding, record.text.size())) << record.text;
    } else {
      EXPECT_TRUE(test::spans_cover(encoding, record.text.size())) << record.text;
    }
  }
}

TEST_P(WithoutNormalizer, EachTokenIsTheBytesOfItsSpan) {
  for (const auto& record : records_) {
    if (find_invalid_utf8(record.text)) continue;
    const Encoding encoding = tokenizer_->encode(record.text, SpecialTokens::kNone);
    for (std::size_t i = 0; i < encoding.ids.size(); ++i) {
      const ByteSpan span = encoding.spans[i];
      EXPECT_EQ(tokenizer_->token_bytes(encoding.ids[i]),
                record.text.substr(span.begin, span.end - span.begin));
    }
  }
}

TEST_P(WithoutNormalizer, DecodingGivesTheTextBack) {
  for (const auto& record : records_) {
    EXPECT_EQ(tokenizer_->decode(tokenizer_->encode(record.text, SpecialTokens::kNone).ids, false),
              text::lossy_utf8(record.text));
  }
}

INSTANTIATE_TEST_SUITE_P(All, WithoutNormalizer, testing::Values("gpt2", "llama3", "smollm", "tekken"),
                         [](const auto& param) { return param.param; });

TEST(RecordedNfc, SpansCoverTheTextThoughCharactersAreComposed) {
  const auto tokenizer = test::load_tokenizer("qwen2");
  for (const auto& record : test::read_records("qwen2")) {
    const Encoding encoding = tokenizer->encode(record.text, SpecialTokens::kNone);
    EXPECT_TRUE(test::spans_cover_with_sharing(encoding, record.text.size())) << record.text;
  }
}

}  // namespace
}  // namespace emend
