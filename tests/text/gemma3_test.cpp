// The real tokenizer of Gemma 3, out of the GGUF file of Gemma 3 270M, against the published tokenizer.json
// read by `tokenizers` (tools/fixtures/gemma3_reference.py). Skipped where the file is not there.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/fingerprint.h"
#include "base/json.h"
#include "emend/tokenizer.h"
#include "fixtures.h"
#include "gguf_keys.h"
#include "mixed_text.h"
#include "tests/support/gemma_file.h"

namespace emend {
namespace {

class Gemma3 : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (std::filesystem::exists(test::gemma_file()))
      tokenizer_ = make_tokenizer(test::tokenizer_keys(*open_gguf(test::gemma_file())));
  }
  static void TearDownTestSuite() { tokenizer_.reset(); }
  void SetUp() override {
    if (!tokenizer_) GTEST_SKIP() << test::gemma_file() << " is not there";
  }
  static inline std::unique_ptr<Tokenizer> tokenizer_;
};

std::string hash_of_ids(const Tokenizer& tokenizer, const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) {
    for (const std::int64_t id : tokenizer.encode(text, SpecialTokens::kNone).ids)
      all += std::to_string(id) + " ";
    all += "\n";
  }
  return sha256_hex(all);
}

TEST_F(Gemma3, HasTheIdsOfThePublishedTokenizer) {
  const Json recorded = Json::parse(test::read_fixture("../gemma3/mixed_text.json"));
  const std::vector<std::string> texts = test::valid_texts();
  ASSERT_EQ(recorded.at("texts").size(), texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i)
    EXPECT_EQ(hash_of_ids(*tokenizer_, {texts[i]}), recorded.at("texts").at(i).get<std::string>())
        << texts[i];
  EXPECT_EQ(hash_of_ids(*tokenizer_, test::mixed_text()), recorded.at("mixed").get<std::string>());
}

TEST_F(Gemma3, SpansCoverEveryByte) {
  for (const std::string& text : test::valid_texts()) {
    const Encoding encoding = tokenizer_->encode(text, SpecialTokens::kNone);
    EXPECT_TRUE(test::spans_cover(encoding, text.size())) << text;
    EXPECT_EQ(tokenizer_->decode(encoding.ids, false), text);
  }
}

// transformers cuts 32 spaces into two of 16 when it reads this very file, llama.cpp takes the HTML tag for
// the end of a text. The published tokenizer spells runs of spaces with U+2581, so that two typed ones are
// token 138 there; the file spells them with spaces, and they are two single ones here and in llama.cpp.
TEST_F(Gemma3, CutsWhatOthersCutDifferently) {
  const auto ids = [&](const std::string& text) {
    return tokenizer_->encode(text, SpecialTokens::kNone).ids;
  };
  EXPECT_EQ(ids(std::string(32, ' ')), (std::vector<std::int64_t>{167, 236743}));
  EXPECT_EQ(ids("</s>"), (std::vector<std::int64_t>{212}));
  EXPECT_EQ(ids("\u2581\u2581"), (std::vector<std::int64_t>{236743, 236743}));
  EXPECT_EQ(ids("  "), (std::vector<std::int64_t>{138}));
  EXPECT_EQ(ids("\r"), (std::vector<std::int64_t>{251}));  // a byte token
}

TEST_F(Gemma3, HasTheIdsThatItsFileNames) {
  EXPECT_EQ(tokenizer_->size(), 262144);
  EXPECT_EQ(tokenizer_->bos(), 2);
  EXPECT_EQ(tokenizer_->eos(), 1);
  EXPECT_EQ(tokenizer_->automatic_prefix(), (std::vector<std::int64_t>{2}));
}

}  // namespace
}  // namespace emend
