// The tokenizer of a GGUF file written as tokenizer.json.
#include "text/tokenizer_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/json.h"
#include "fixtures.h"

namespace emend {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

std::unique_ptr<Tokenizer> written(const text::TokenizerFiles& files) {
  TokenizerJson json;
  json.tokenizer_json = files.tokenizer_json;
  json.tokenizer_config_json = files.tokenizer_config_json;
  json.where = "tokenizer.json";
  return make_tokenizer(json);
}

TEST(TokenizerFiles, OfByteLevelBpeAreTheSameTokenizer) {
  for (const auto& [name, pre] : {std::pair("gpt2", "gpt-2"),
                                  {"gpt2", "olmo"},
                                  {"gpt2", "default"},
                                  {"llama3", "llama-bpe"},
                                  {"smollm", "smollm"},
                                  {"tekken", "tekken"},
                                  {"falcon", "falcon"},
                                  {"qwen2", "qwen2"}}) {
    TokenizerGguf source = test::byte_level_keys(name, pre);
    source.add_bos = false;
    source.chat_template = "{{ messages }}";
    const text::TokenizerFiles files = text::tokenizer_files_of(source);
    EXPECT_EQ(written(files)->fingerprint(), make_tokenizer(source)->fingerprint()) << name << " " << pre;
    EXPECT_EQ(written(files)->chat_template(), "{{ messages }}");
    EXPECT_THAT(files.warnings, IsEmpty());
  }
}

TEST(TokenizerFiles, KeepWhatBeginsAndEndsTexts) {
  TokenizerGguf source = test::byte_level_keys("llama3", "llama-bpe");
  source.bos_id = 800;
  source.eos_id = 801;
  source.add_eos = true;
  const auto tokenizer = written(text::tokenizer_files_of(source));
  EXPECT_EQ(tokenizer->encode("a", SpecialTokens::kAuto).ids,
            make_tokenizer(source)->encode("a", SpecialTokens::kAuto).ids);
  EXPECT_EQ(tokenizer->encode("a", SpecialTokens::kAuto).ids.back(), 801);
  EXPECT_EQ(tokenizer->bos(), 800);
}

// The ids that `tokenizers` gave for the SentencePiece models whose keys these are.
TEST(TokenizerFiles, OfScoresHaveMergesThatGiveTheSameIds) {
  for (const std::string name : {"spm", "spm_gemma"}) {
    const TokenizerGguf source = test::spm_keys(name);
    const text::TokenizerFiles files = text::tokenizer_files_of(source);
    const auto tokenizer = written(files);
    EXPECT_THAT(files.warnings, IsEmpty()) << name;
    for (const test::RecordedText& record : test::read_records(name)) {
      EXPECT_EQ(tokenizer->encode(record.text, SpecialTokens::kNone).ids, record.ids) << name << record.text;
      EXPECT_EQ(tokenizer->decode(record.ids, false), record.decoded) << name << record.text;
    }
  }
}

TEST(TokenizerFiles, PassOnATokenizerJsonThatTheFileCarries) {
  TokenizerGguf source;
  source.model = "anything";
  source.huggingface_json = test::minimal_tokenizer_json();
  source.where = "model.gguf";
  EXPECT_EQ(text::tokenizer_files_of(source).tokenizer_json, source.huggingface_json);
}

TEST(TokenizerFiles, RefuseByName) {
  TokenizerGguf source = test::byte_level_keys("gpt2", "gpt-2");
  source.model = "bert";
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { text::tokenizer_files_of(source); }),
              AllOf(HasSubstr("model.gguf"), HasSubstr("bert")));
  source = test::byte_level_keys("gpt2", "gpt-2");
  source.tokens.push_back(source.tokens[300]);  // a control token that is spelled as another one
  source.token_type.push_back(3);
  EXPECT_THAT(test::error_of(ErrorKind::kModel, [&] { text::tokenizer_files_of(source); }),
              AllOf(HasSubstr("model.gguf"), HasSubstr("the tokens 300 and")));
}

}  // namespace
}  // namespace emend
