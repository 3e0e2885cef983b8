// The tiny checkpoints as GGUF files: the same logits, whatever way the weights are laid out.
#include <gmock/gmock.h>

#include "base/expect_error.h"
#include "emend/model.h"
#include "support/gguf_checkpoint.h"
#include "support/tiny_models.h"

namespace emend {
namespace {

using test::GgufType;

at::Tensor recorded_logits(const std::string& checkpoint, TokenIds& ids) {
  const auto recorded = open_safetensors(test::data_path("parity/" + checkpoint + "/logits.safetensors"));
  const at::Tensor rows = test::read_tensor(*recorded, "input_ids");
  ids.assign(rows.const_data_ptr<std::int64_t>(), rows.const_data_ptr<std::int64_t>() + rows.size(1));
  return test::read_tensor(*recorded, "logits")[0];
}

Model load(const std::string& bytes) {
  const test::TempFolder folder;
  return Model::load(folder.write("model.gguf", bytes));
}

// Largest difference to the recorded logits of row 0.
at::Tensor gap(const Model& model, const std::string& checkpoint) {
  TokenIds ids;
  const at::Tensor wanted = recorded_logits(checkpoint, ids);
  return (test::plain_logits(model, ids) - wanted).abs();
}

TEST(GgufModel, WithoutATokenizerDoesNotSendTheUserToTokenizerJson) {
  const Model model = load(test::llama_as_gguf("llama_gqa_tied", GgufType::kF32).bytes());
  const std::string message = test::error_of(ErrorKind::kModel, [&] { model.tokenizer(); });
  EXPECT_THAT(message, testing::HasSubstr("tokenizer.ggml"));
  EXPECT_THAT(message, testing::Not(testing::HasSubstr("tokenizer.json")));
}

TEST(GgufModel, LlamaInF32HasTheCheckpointsLogits) {
  for (const std::string checkpoint : {"llama_gqa_tied", "llama_head_dim", "llama_biases"})
    EXPECT_LE(
        gap(load(test::llama_as_gguf(checkpoint, GgufType::kF32).bytes()), checkpoint).max().item<double>(),
        2e-5)
        << checkpoint;
}

TEST(GgufModel, Gpt2InF32HasTheCheckpointsLogits) {
  const Model model = load(test::gpt2_as_gguf("gpt2", GgufType::kF32).bytes());
  EXPECT_LE(gap(model, "gpt2").max().item<double>(), 2e-5);
  EXPECT_EQ(model.config().vocab, 192) << "the embedding table tells";
}

TEST(GgufModel, RopeFrequenciesOfLlama3AreDivisors) {
  const std::string checkpoint = "llama_untied_llama3_rope";
  const Model reference = Model::load(test::data_path("parity/" + checkpoint));
  const auto plain = rotary_frequencies(
      8, test::CheckpointCopy(checkpoint).config["rope_parameters"]["rope_theta"].get<double>());
  std::vector<float> divisors;
  for (std::size_t i = 0; i < plain.size(); ++i)
    divisors.push_back(static_cast<float>(plain[i] / reference.config().rotary[0].frequencies[i]));
  ASSERT_GT(divisors.back(), 1.5f) << "the scaling must matter";
  auto with = test::llama_as_gguf(checkpoint, GgufType::kF32);
  with.add_tensor("rope_freqs.weight", at::tensor(divisors));
  EXPECT_LE(gap(load(with.bytes()), checkpoint).max().item<double>(), 2e-5);
  EXPECT_GT(
      gap(load(test::llama_as_gguf(checkpoint, GgufType::kF32).bytes()), checkpoint).max().item<double>(),
      1e-3);
  auto wrong = test::llama_as_gguf(checkpoint, GgufType::kF32);
  wrong.add_tensor("rope_freqs.weight", at::ones({3}));
  EXPECT_THAT(test::error_of(ErrorKind::kModel, [&] { load(wrong.bytes()); }),
              ::testing::HasSubstr("rope_freqs.weight"));
}

TEST(GgufModel, NarrowTypesAreTheRoundedWeights) {
  for (const auto& [type, allowed] : {std::pair(GgufType::kF16, 0.01), std::pair(GgufType::kBF16, 0.08)}) {
    const Model model = load(test::llama_as_gguf("llama_gqa_tied", type).bytes());
    const auto file = open_safetensors(test::data_path("parity/llama_gqa_tied/model.safetensors"));
    const at::Tensor stored = test::read_tensor(*file, "model.layers.1.mlp.down_proj.weight");
    const at::ScalarType narrow = type == GgufType::kF16 ? at::kHalf : at::kBFloat16;
    EXPECT_TRUE(at::equal(model.weights().blocks[1].mlp_down, stored.to(narrow).to(at::kFloat)));
    EXPECT_LE(gap(model, "llama_gqa_tied").mean().item<double>(), allowed);
  }
}

TEST(GgufModel, Q8BlocksAreDequantisedRowByRow) {
  const Model model = load(test::gpt2_as_gguf("gpt2", GgufType::kQ8_0).bytes());
  const auto file = open_safetensors(test::data_path("parity/gpt2/model.safetensors"));
  const at::Tensor stored = test::read_tensor(*file, "transformer.h.1.mlp.c_proj.weight").t().contiguous();
  const at::Tensor largest =
      stored.reshape({-1, 32}).abs().amax(1, true).expand({-1, 32}).reshape(stored.sizes());
  EXPECT_TRUE(((model.weights().blocks[1].mlp_down - stored).abs() <= 0.51 * largest / 127 + 1e-3 * largest)
                  .all()
                  .item<bool>());
  EXPECT_LE(gap(model, "gpt2").mean().item<double>(), 0.05);
  EXPECT_EQ(model.roles().front().stored_type, "Q8_0");
}

TEST(GgufModel, DownProjectionIsStoredAsItIsWritten) {
  // A reader that transposed or permuted it would fail here even where logits are compared loosely.
  const Model model = load(test::llama_as_gguf("llama_gqa_tied", GgufType::kF32).bytes());
  const auto file = open_safetensors(test::data_path("parity/llama_gqa_tied/model.safetensors"));
  for (int l = 0; l < 2; ++l)
    EXPECT_TRUE(
        at::equal(model.weights().blocks[l].mlp_down,
                  test::read_tensor(*file, "model.layers." + std::to_string(l) + ".mlp.down_proj.weight")));
  for (const RoleEntry& entry : model.roles()) EXPECT_FALSE(entry.stored_transposed);
}

TEST(GgufModel, MissingSettingsAndTensorsAreNamed) {
  test::GgufCheckpoint empty(GgufType::kF32);
  empty.add_text("general.architecture", "llama");
  empty.add_tensor("token_embd.weight", at::ones({8, 4}));
  EXPECT_THAT(test::error_of(ErrorKind::kModel, [&] { load(empty.bytes()); }),
              ::testing::HasSubstr("llama.block_count"));
  test::GgufCheckpoint other(GgufType::kF32);
  other.add_text("general.architecture", "mamba");
  other.add_tensor("token_embd.weight", at::ones({8, 4}));
  EXPECT_THAT(test::error_of(ErrorKind::kModel, [&] { load(other.bytes()); }),
              ::testing::AllOf(::testing::HasSubstr("mamba"), ::testing::HasSubstr("gpt2")));
  auto more = test::gpt2_as_gguf("gpt2", GgufType::kF32);
  more.add_tensor("blk.0.attn_sinks.weight", at::ones({4}));
  EXPECT_THAT(test::error_of(ErrorKind::kModel, [&] { load(more.bytes()); }),
              ::testing::HasSubstr("blk.0.attn_sinks.weight"));
}

}  // namespace
}  // namespace emend
