#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/json.h"
#include "emend/tokenizer.h"
#include "fixtures.h"
#include "mixed_text.h"

namespace emend {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string refusal(const TokenizerGguf& source) {
  return test::error_of(ErrorKind::kFormat, [&] { make_tokenizer(source); });
}

TEST(TokenizerGguf, GivesTheIdsOfTheSameTokenizerInJson) {
  for (const auto& [name, pre] :
       {std::pair("gpt2", "gpt-2"), {"llama3", "llama-bpe"}, {"smollm", "smollm"}, {"tekken", "tekken"}}) {
    TokenizerGguf source = test::byte_level_keys(name, pre);
    source.add_bos = false;
    const auto tokenizer = make_tokenizer(source);
    for (const auto& record : test::read_records(name)) {
      EXPECT_EQ(tokenizer->encode(record.text, SpecialTokens::kNone).ids, record.ids)
          << name << ": " << record.text;
    }
  }
}

// mixed_text_test.cpp compares those in JSON with `tokenizers` itself.
TEST(TokenizerGguf, EveryPreTokenizerCutsAsItsFamilysTokenizerInJson) {
  const std::vector<std::string> all = test::mixed_text();
  const std::vector<std::string> documents(all.begin(), all.begin() + 40);
  for (const auto& [name, pre] : {std::pair("gpt2", "gpt-2"),
                                  {"gpt2", "phi-2"},
                                  {"olmo", "mpt"},
                                  {"olmo", "olmo"},
                                  {"smollm", "smollm"},
                                  {"smollm", "starcoder"},
                                  {"smollm", "refact"},
                                  {"smollm", "codeshell"},
                                  {"llama3", "llama-bpe"},
                                  {"cl100k", "dbrx"},
                                  {"cl100k", "smaug-bpe"},
                                  {"gpt4o", "gpt-4o"},
                                  {"stablelm2", "stablelm2"},
                                  {"stablelm2", "qwen2"},
                                  {"tekken", "tekken"},
                                  {"falcon", "falcon"}}) {
    TokenizerGguf source = test::byte_level_keys(name, pre);
    source.add_bos = false;
    const auto ours = make_tokenizer(source), theirs = test::load_tokenizer(name);
    for (const std::string& document : documents) {
      const Encoding cut = ours->encode(document, SpecialTokens::kNone);
      const Encoding wanted = theirs->encode(document, SpecialTokens::kNone);
      ASSERT_EQ(cut.ids, wanted.ids) << name << ", " << pre;
      const auto same = [](const ByteSpan& a, const ByteSpan& b) {
        return a.begin == b.begin && a.end == b.end;
      };
      ASSERT_TRUE(
          std::equal(cut.spans.begin(), cut.spans.end(), wanted.spans.begin(), wanted.spans.end(), same))
          << name << ", " << pre;
    }
  }
}

TEST(TokenizerGguf, HasTheFingerprintOfTheSameTokenizerInJson) {
  for (const auto& [name, pre] :
       {std::pair("gpt2", "gpt-2"), {"llama3", "llama-bpe"}, {"smollm", "smollm"}}) {
    TokenizerGguf source = test::byte_level_keys(name, pre);
    if (pre == std::string("llama-bpe")) source.bos_id = 800;
    EXPECT_EQ(make_tokenizer(source)->fingerprint(), test::load_tokenizer(name)->fingerprint()) << name;
  }
}

TEST(TokenizerGguf, AddsBosAsTheFileOrThePreTokenizerSays) {
  TokenizerGguf source = test::byte_level_keys("llama3", "llama-bpe");
  source.bos_id = 800;
  source.eos_id = 801;
  EXPECT_THAT(make_tokenizer(source)->automatic_prefix(), ElementsAre(800));
  EXPECT_EQ(make_tokenizer(source)->eos(), 801);
  source.add_bos = false;
  EXPECT_TRUE(make_tokenizer(source)->automatic_prefix().empty());
  EXPECT_EQ(make_tokenizer(source)->bos(), 800);
  source.add_bos = true;
  source.bos_id.reset();
  EXPECT_THAT(refusal(source), AllOf(HasSubstr("model.gguf"), HasSubstr("tokenizer.ggml.bos_token_id")));
}

TEST(TokenizerGguf, AddsEosWhereTheFileSaysSo) {
  TokenizerGguf source = test::byte_level_keys("llama3", "llama-bpe");
  source.bos_id = 800;
  source.eos_id = 801;
  EXPECT_NE(make_tokenizer(source)->encode("a", SpecialTokens::kAuto).ids.back(), 801);
  source.add_eos = true;
  EXPECT_EQ(make_tokenizer(source)->encode("a", SpecialTokens::kAuto).ids.back(), 801);
  EXPECT_NE(make_tokenizer(source)->encode("a", SpecialTokens::kNone).ids.back(), 801);
  source.eos_id.reset();
  EXPECT_THAT(refusal(source), HasSubstr("tokenizer.ggml.eos_token_id"));
}

TEST(TokenizerGguf, ComposesWhereTheModelsOwnTokenizerDoes) {
  const auto tokenizer = make_tokenizer(test::byte_level_keys("gpt2", "qwen2"));
  EXPECT_EQ(tokenizer->encode("e\u0301", SpecialTokens::kNone).ids,
            tokenizer->encode("\u00e9", SpecialTokens::kNone).ids);
}

TEST(TokenizerGguf, PrefersACompleteTokenizerJson) {
  TokenizerGguf source;
  source.model = "anything";
  source.huggingface_json = test::minimal_tokenizer_json();
  source.bos_id = 258;
  source.chat_template = "T";
  source.where = "model.gguf";
  const auto tokenizer = make_tokenizer(source);
  EXPECT_EQ(tokenizer->size(), 259);
  EXPECT_EQ(tokenizer->bos(), 258);
  EXPECT_EQ(tokenizer->chat_template(), "T");
  EXPECT_THAT(tokenizer->named_special_tokens(), testing::ElementsAre(testing::Pair("bos_token", "<|end|>")));
  source.huggingface_json = "{";
  EXPECT_THAT(refusal(source), HasSubstr("model.gguf: tokenizer.huggingface.json"));
}

TEST(TokenizerGguf, RefusesOtherModelsByName) {
  TokenizerGguf source = test::byte_level_keys("gpt2", "gpt-2");
  source.model = "bert";
  EXPECT_THAT(refusal(source),
              AllOf(HasSubstr("\"tokenizer.ggml.model\""), HasSubstr("\"bert\" is not supported")));
}

TEST(TokenizerGguf, ListsTheKnownPreTokenizers) {
  const TokenizerGguf source = test::byte_level_keys("gpt2", "unheard");
  EXPECT_THAT(refusal(source),
              AllOf(HasSubstr("\"unheard\" is not supported"), HasSubstr("gpt-2"), HasSubstr("llama-bpe"),
                    HasSubstr("smollm"), HasSubstr("qwen2"), HasSubstr("olmo")));
}

// Pieces of the text that no token joins.
std::vector<std::string> tokens_of(const Tokenizer& tokenizer, const std::string& text) {
  std::vector<std::string> tokens;
  for (const std::int64_t id : tokenizer.encode(text, SpecialTokens::kNone).ids)
    tokens.push_back(tokenizer.token_bytes(id));
  return tokens;
}

TEST(TokenizerGguf, CutsByTheDefaultRuleWhereNoneIsNamed) {
  TokenizerGguf source = test::byte_level_keys("gpt2", "");
  const std::vector<std::string> merges = {"1 2", "12 3", "123 4", "\u0120 1", "! )", "!) a", "\u0120 !"};
  for (std::string token : merges) {
    token.erase(token.find(' '), 1);
    if (std::find(source.tokens.begin(), source.tokens.end(), token) == source.tokens.end())
      source.tokens.push_back(token);
  }
  source.token_type.resize(source.tokens.size(), 1);
  source.merges.insert(source.merges.begin(), merges.begin(), merges.end());
  const auto tokenizer = make_tokenizer(source);
  ASSERT_EQ(tokenizer->warnings().size(), 1u);
  EXPECT_THAT(tokenizer->warnings()[0], AllOf(HasSubstr("model.gguf"), HasSubstr("tokenizer.ggml.pre")));
  EXPECT_THAT(tokens_of(*tokenizer, "x 1234"), ElementsAre("x", " ", "123", "4"));
  EXPECT_THAT(tokens_of(*tokenizer, " !)a"), ElementsAre(" ", "!)", "a"));
  source.pre = "default";
  EXPECT_TRUE(make_tokenizer(source)->warnings().empty());
  EXPECT_EQ(make_tokenizer(source)->fingerprint(), tokenizer->fingerprint());
  source.pre = "gpt-2";
  EXPECT_THAT(tokens_of(*make_tokenizer(source), "x 12"), ElementsAre("x", " ", "12"));
}

TEST(TokenizerGguf, NamesTheKeyOfBrokenLists) {
  const TokenizerGguf sound = test::byte_level_keys("gpt2", "gpt-2");
  TokenizerGguf source = sound;
  source.merges.push_back("a \u4e00");
  EXPECT_THAT(refusal(source), AllOf(HasSubstr("tokenizer.ggml.merges"), HasSubstr("not in the vocabulary")));
  source.merges.back() = "ab";
  EXPECT_THAT(refusal(source), HasSubstr("two tokens with a space between"));
  source.merges.back() = "";
  EXPECT_THAT(refusal(source), HasSubstr("two tokens with a space between"));
  source.merges.clear();
  EXPECT_THAT(refusal(source), HasSubstr("\"tokenizer.ggml.merges\": missing or empty"));
  source = sound;
  source.token_type.pop_back();
  EXPECT_THAT(refusal(source), HasSubstr("tokenizer.ggml.token_type"));
  source = sound;
  source.tokens[300] = source.tokens[301];
  EXPECT_THAT(refusal(source), AllOf(HasSubstr("token 301"), HasSubstr("is there twice")));
  source = sound;
  source.eos_id = 700;
  EXPECT_THAT(refusal(source), HasSubstr("tokenizer.ggml.eos_token_id"));
  source = sound;
  source.tokens.clear();
  EXPECT_THAT(refusal(source), HasSubstr("\"tokenizer.ggml.tokens\": missing or empty"));
}

TEST(TokenizerGguf, ReadsSentencePieceModelsWithTheirScores) {
  TokenizerGguf source = test::spm_keys("spm");
  EXPECT_THAT(make_tokenizer(source)->automatic_prefix(), ElementsAre(1)) << "BOS unless the file says no";
  EXPECT_TRUE(make_tokenizer(source)->is_special(0)) << "<unk>";
  source.add_space_prefix.reset();
  EXPECT_EQ(make_tokenizer(source)->fingerprint(), make_tokenizer(test::spm_keys("spm"))->fingerprint());
  source.add_space_prefix = false;
  EXPECT_NE(make_tokenizer(source)->fingerprint(), make_tokenizer(test::spm_keys("spm"))->fingerprint());
  source.scores.pop_back();
  EXPECT_THAT(refusal(source), HasSubstr("tokenizer.ggml.scores"));
  source = test::spm_keys("spm");
  source.unknown_id = 900000;
  EXPECT_THAT(refusal(source), HasSubstr("tokenizer.ggml.unknown_token_id"));
}

}  // namespace
}  // namespace emend
