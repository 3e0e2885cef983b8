// The real tokenizer of SmolLM2-135M-Instruct, out of its GGUF file. Skipped where the file is not there.
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "emend/tokenizer.h"
#include "fixtures.h"
#include "gguf_keys.h"

namespace emend {
namespace {

const std::filesystem::path kModel =
    std::filesystem::path(EMEND_SOURCE_DIR) / "models/smollm2-135m-instruct.gguf";

class SmolLm2 : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kModel)) GTEST_SKIP() << kModel << " is not there";
    tokenizer_ = make_tokenizer(test::tokenizer_keys(*open_gguf(kModel)));
  }
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_F(SmolLm2, GivesTheRecordedIds) {
  for (const auto& record : test::read_records("smollm2")) {
    EXPECT_EQ(tokenizer_->encode(record.text, SpecialTokens::kAuto).ids, record.auto_ids) << record.text;
    EXPECT_EQ(tokenizer_->decode(record.ids, false), record.decoded);
  }
}

TEST_F(SmolLm2, HasTheIdsThatItsFileNames) {
  EXPECT_EQ(tokenizer_->size(), 49152);
  EXPECT_EQ(tokenizer_->bos(), tokenizer_->find("<|im_start|>"));
  EXPECT_EQ(tokenizer_->eos(), tokenizer_->find("<|im_end|>"));
  EXPECT_TRUE(tokenizer_->automatic_prefix().empty());
}

TEST_F(SmolLm2, RendersItsChatTemplate) {
  const std::string chat = render_chat(*tokenizer_, "Where is the Eiffel Tower?");
  EXPECT_EQ(
      chat,
      "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
      "<|im_start|>user\nWhere is the Eiffel Tower?<|im_end|>\n<|im_start|>assistant\n");
  const Encoding encoding = tokenizer_->encode(chat, SpecialTokens::kAuto);
  EXPECT_EQ(encoding.ids.front(), 1);
  const std::size_t begin = chat.find("Eiffel Tower");
  const SubjectTokens subject = find_subject_tokens(encoding, {begin, begin + 12}, chat);
  EXPECT_EQ(tokenizer_->token_bytes(encoding.ids[subject.last]), " Tower");
  EXPECT_FALSE(subject.straddles_begin);
  EXPECT_FALSE(subject.straddles_end);
}

}  // namespace
}  // namespace emend
