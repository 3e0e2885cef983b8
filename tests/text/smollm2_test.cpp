// The real tokenizer of SmolLM2-135M-Instruct, out of its GGUF file. Skipped where the file is not there.
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "emend/tensor_file.h"
#include "emend/tokenizer.h"
#include "fixtures.h"

namespace emend {
namespace {

const std::filesystem::path kModel =
    std::filesystem::path(EMEND_SOURCE_DIR) / "models/smollm2-135m-instruct.gguf";

template <typename T>
T value(const TensorFile& file, const std::string& key) {
  const auto found = file.gguf_metadata().find(key);
  return found == file.gguf_metadata().end() ? T{} : std::get<T>(found->second);
}

TokenizerGguf tokenizer_keys(const TensorFile& file) {
  TokenizerGguf source;
  source.model = value<std::string>(file, "tokenizer.ggml.model");
  source.pre = value<std::string>(file, "tokenizer.ggml.pre");
  source.tokens = value<std::vector<std::string>>(file, "tokenizer.ggml.tokens");
  source.token_type = value<std::vector<std::int64_t>>(file, "tokenizer.ggml.token_type");
  source.merges = value<std::vector<std::string>>(file, "tokenizer.ggml.merges");
  source.bos_id = value<std::int64_t>(file, "tokenizer.ggml.bos_token_id");
  source.eos_id = value<std::int64_t>(file, "tokenizer.ggml.eos_token_id");
  source.add_bos = value<bool>(file, "tokenizer.ggml.add_bos_token");
  source.chat_template = value<std::string>(file, "tokenizer.chat_template");
  source.where = file.path().string();
  return source;
}

class SmolLm2 : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kModel)) GTEST_SKIP() << kModel << " is not there";
    tokenizer_ = make_tokenizer(tokenizer_keys(*open_gguf(kModel)));
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
