#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "emend/tokenizer.h"
#include "fixtures.h"

namespace emend {
namespace {

ByteSpan span_of(const std::string& text, const std::string& part) {
  const std::size_t begin = text.find(part);
  return {begin, begin + part.size()};
}

TEST(SubjectTokens, AreThoseThatOverlapTheSubject) {
  Encoding encoding;
  encoding.ids = {9, 1, 2, 3, 4};
  encoding.spans = {{0, 0}, {0, 3}, {3, 10}, {10, 16}, {16, 19}};  // "The| Eiffel| Tower| is", BOS in front
  const SubjectTokens tokens = find_subject_tokens(encoding, {4, 16}, "The Eiffel Tower is");
  EXPECT_EQ(tokens.first, 2u);
  EXPECT_EQ(tokens.last, 3u);
  EXPECT_FALSE(tokens.straddles_begin);
  EXPECT_FALSE(tokens.straddles_end);
}

TEST(SubjectTokens, TellWhenATokenStraddlesTheEnd) {
  Encoding encoding;
  encoding.ids = {1, 2, 3};
  encoding.spans = {{0, 5}, {5, 8}, {8, 9}};  // "Apple| In|c" would be fine; here "., " is one token
  EXPECT_TRUE(find_subject_tokens(encoding, {0, 7}).straddles_end);
  EXPECT_FALSE(find_subject_tokens(encoding, {0, 8}).straddles_end);
  EXPECT_EQ(find_subject_tokens(encoding, {0, 7}).last, 1u);
}

TEST(SubjectTokens, OneSpaceBeforeIsNoStraddling) {
  Encoding encoding;
  encoding.ids = {1, 2};
  encoding.spans = {{0, 1}, {1, 6}};
  EXPECT_FALSE(find_subject_tokens(encoding, {2, 6}, "a Rome").straddles_begin);
  EXPECT_TRUE(find_subject_tokens(encoding, {2, 6}, "a(Rome").straddles_begin);
  EXPECT_FALSE(find_subject_tokens(encoding, {2, 6}).straddles_begin);
  EXPECT_TRUE(find_subject_tokens(encoding, {3, 6}).straddles_begin);
}

TEST(SubjectTokens, PartsOfACharacterAllBelongToIt) {
  const auto tokenizer = test::load_tokenizer("gpt2");
  const std::string text = "in \U0001f469\u200d\U0001f469 now";
  const std::string subject = "\U0001f469\u200d\U0001f469";
  const Encoding encoding = tokenizer->encode(text, SpecialTokens::kNone);
  const SubjectTokens tokens = find_subject_tokens(encoding, span_of(text, subject), text);
  EXPECT_EQ(encoding.spans[tokens.last].end, span_of(text, subject).end);
  EXPECT_GT(tokens.last, tokens.first);
}

TEST(SubjectTokens, AreFoundBehindABos) {
  const auto tokenizer = test::load_tokenizer("llama3");
  const std::string text = "Paris is the city of the Louvre";
  const Encoding plain = tokenizer->encode(text, SpecialTokens::kNone);
  const Encoding with_bos = tokenizer->encode(text, SpecialTokens::kAuto);
  const ByteSpan subject = span_of(text, "Paris");
  EXPECT_EQ(find_subject_tokens(with_bos, subject).last, find_subject_tokens(plain, subject).last + 1);
  EXPECT_EQ(find_subject_tokens(with_bos, subject).first, 1u);
}

TEST(SubjectTokens, RefusesASpanWithoutTokens) {
  Encoding encoding;
  encoding.ids = {1};
  encoding.spans = {{0, 3}};
  for (const ByteSpan span : {ByteSpan{3, 5}, ByteSpan{1, 1}}) {
    EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { find_subject_tokens(encoding, span); }),
                testing::HasSubstr("no token overlaps the subject"));
  }
}

}  // namespace
}  // namespace emend
