// The lenses: by hand, against the model's own logits, and fixture F8.
#include "memories/lens.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/expect_error.h"
#include "base/temp_folder.h"
#include "support/family_models.h"
#include "support/random_matrices.h"
#include "support/tiny_models.h"

namespace emend {
namespace {

using testing::AllOf;
using testing::HasSubstr;

Lens lens_of(const Model& model, LensKind kind, bool mask_special = false) {
  return {model, {.kind = kind, .mask_special = mask_special}};
}

at::Tensor random_rows(std::int64_t count, std::int64_t width, std::uint64_t seed) {
  return test::normals(count, width, seed).to(at::kFloat);
}

// d 2, three tokens, final LayerNorm with gain (2, 1) and bias (0, 1).
Model by_hand() {
  ModelConfig config = test::tiny_config("gpt2", 1);
  config.d_model = 2;
  config.d_ff = 2;
  config.heads = config.kv_heads = 1;
  config.head_dim = 2;
  config.vocab = 3;
  Model model = Model::make_random(config, 1, {});
  const c10::NoGradGuard no_grad;
  const ModelWeights& weights = model.weights();
  weights.head.copy_(at::tensor({1.0F, 0.0F, 0.0F, 1.0F, 0.8F, 0.8F}).view({3, 2}));
  weights.final_norm.copy_(at::tensor({2.0F, 1.0F}));
  weights.final_norm_bias.copy_(at::tensor({0.0F, 1.0F}));
  return model;
}

TEST(Lens, ReadsAVectorByHand) {
  const Model model = by_hand();
  const at::Tensor h = at::tensor({3.0F, 1.0F}).view({1, 2});
  // RAW: (3, 1, 3.2). LIN: centred (1, -1), with the gain (2, -1): (2, -1, 0.8).
  EXPECT_TRUE(
      test::near(lens_of(model, LensKind::kRaw).logits(h, 0)[0], at::tensor({3.0F, 1.0F, 3.2F}), 1e-6));
  EXPECT_TRUE(
      test::near(lens_of(model, LensKind::kLinear).logits(h, 0)[0], at::tensor({2.0F, -1.0F, 0.8F}), 1e-6));
  // HEAD: centred over sqrt(1 + 1e-5), gain and bias: (2, 0): (2, 0, 1.6).
  EXPECT_TRUE(
      test::near(lens_of(model, LensKind::kHead).logits(h, 0)[0], at::tensor({2.0F, 0.0F, 1.6F}), 1e-4));
}

TEST(Lens, HeadOnTheLastLayerIsTheModelsLogits) {
  for (const std::string& name : test::family_checkpoints()) {
    const Model model = Model::load(test::data_path("families/" + name));
    const c10::NoGradGuard no_grad;
    const TokenIds ids = test::some_ids(7, 60, 3);
    const at::Tensor wanted = test::plain_logits(model, ids);
    const at::Tensor last = test::plain_vectors(model, ids, Site::kBlockOutput, model.config().layers - 1);
    const at::Tensor found = lens_of(model, LensKind::kHead).logits(last, 0);
    EXPECT_TRUE(test::near(found, wanted, 1e-5 * wanted.abs().max().item<double>())) << name;
  }
}

// F8: where a stream and what is added to it have one favourite, their sum has it too, under RAW and LIN.
TEST(Lens, LinearLensesHaveNoImpossibleCases) {
  const c10::NoGradGuard no_grad;
  const Model model = test::tiny_model("gpt2", 1);
  constexpr std::int64_t kPairs = 100'000, kPortion = 10'000;
  for (const LensKind kind : {LensKind::kRaw, LensKind::kLinear}) {
    const Lens lens = lens_of(model, kind);
    std::int64_t coincidences = 0, impossible = 0;
    for (std::int64_t begin = 0; begin < kPairs; begin += kPortion) {
      const at::Tensor r = random_rows(kPortion, 32, static_cast<std::uint64_t>(begin + 1));
      const at::Tensor y = random_rows(kPortion, 32, static_cast<std::uint64_t>(begin + 2));
      const at::Tensor a = lens.logits(r, 0).argmax(1), f = lens.logits(y, 0).argmax(1),
                       b = lens.logits(r + y, 0).argmax(1);
      coincidences += (a == f).sum().item<std::int64_t>();
      impossible += ((a == f) & (a != b)).sum().item<std::int64_t>();
    }
    EXPECT_GT(coincidences, 500);
    EXPECT_EQ(impossible, 0);
  }
}

TEST(Lens, ReducesAsItsLogitsSay) {
  const Model model = test::tiny_model("gemma2", 1);
  const at::Tensor h = random_rows(6, 32, 4);
  for (const LensKind kind : {LensKind::kRaw, LensKind::kLinear, LensKind::kHead}) {
    const Lens lens = lens_of(model, kind);
    const at::Tensor z = lens.logits(h, 0);
    const VocabularyResult found = lens.reduce(lens.fold(h, 0), 4);
    EXPECT_TRUE(at::equal(found.top_ids, std::get<1>(z.topk(4, 1))));
    EXPECT_TRUE(test::near(found.log_sum, at::logsumexp(z, {1}), 1e-4));
  }
}

TEST(Lens, LeavesOutRowsBeyondTheTokenizerAndMaskedTokens) {
  const TokenizerJson tokenizer{.tokenizer_json = test::family_tokenizer_json(), .where = "test"};
  const Model model = Model::make_random(test::tiny_config("llama", 1), 1, {}, make_tokenizer(tokenizer));
  ASSERT_GT(model.config().vocab, model.tokenizer().size());
  const c10::NoGradGuard no_grad;
  const at::Tensor head = model.weights().head;
  head.narrow(0, 0, 2).fill_(10);            // <s> and </s>
  head[model.config().vocab - 1].fill_(20);  // no token at all
  const at::Tensor h = at::ones({1, model.config().d_model});
  const Lens all = lens_of(model, LensKind::kRaw), masked = lens_of(model, LensKind::kRaw, true);
  EXPECT_EQ(all.tokens(), model.tokenizer().size());
  EXPECT_EQ(all.reduce(all.fold(h, 0), 1).top_ids.item<std::int64_t>(), 0);
  EXPECT_EQ(masked.tokens(), model.tokenizer().size() - 2);
  const at::Tensor targets = at::tensor({0L, 5L}).view({1, 2});
  const VocabularyResult found = masked.reduce(masked.fold(h, 0), 3, targets);
  EXPECT_GT(found.top_ids.min().item<std::int64_t>(), 1);
  EXPECT_EQ(found.target_ranks[0][0].item<std::int64_t>(), -1);
  EXPECT_NEAR(found.target_logits[0][1].item<double>(), head[5].sum().item<double>(), 1e-5);
  EXPECT_TRUE(test::near(masked.token_row(5), head[5], 0));
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { masked.token_row(1); }), HasSubstr("token 1"));
}

class LensMap : public ::testing::Test {
 protected:
  // A file with one tensor of each name.
  std::filesystem::path write(const std::vector<std::pair<std::string, at::Tensor>>& maps) {
    std::vector<TensorToWrite> tensors;
    for (const auto& [name, map] : maps)
      tensors.push_back({name,
                         "F32",
                         map.sizes().vec(),
                         {static_cast<const std::byte*>(map.const_data_ptr()), map.nbytes()}});
    write_safetensors(folder_ / "maps.safetensors", tensors, {});
    return folder_ / "maps.safetensors";
  }
  Lens open(const std::filesystem::path& file) { return {model_, {.kind = LensKind::kMap, .map = file}}; }
  std::string refusal(const std::vector<std::pair<std::string, at::Tensor>>& maps) {
    const auto file = write(maps);
    return test::error_of(ErrorKind::kFormat, [&] { open(file); });
  }

  test::TempFolder folder_;
  Model model_ = test::tiny_model("gpt2", 2);
};

TEST_F(LensMap, StandsBeforeTheLinearLens) {
  const at::Tensor map = random_rows(32, 32, 9), h = random_rows(3, 32, 10);
  const Lens lens = open(write({{"layers.1.weight", map}}));
  const Lens linear = lens_of(model_, LensKind::kLinear);
  EXPECT_TRUE(test::near(lens.logits(h, 1), linear.logits(at::matmul(h, map.t()), 1), 1e-4));
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { lens.fold(h, 0); }), HasSubstr("no map of layer 0"));
}

TEST_F(LensMap, RefusesWrongTensorsByName) {
  const at::Tensor square = at::eye(32);
  EXPECT_THAT(refusal({{"map.0", at::zeros({32, 31})}}),
              AllOf(HasSubstr("\"map.0\""), HasSubstr("[32, 32]"), HasSubstr("found [32, 31]")));
  EXPECT_THAT(refusal({{"map.2", square}}), AllOf(HasSubstr("\"map.2\""), HasSubstr("0 to 1")));
  EXPECT_THAT(refusal({{"bias", square}}), AllOf(HasSubstr("\"bias\""), HasSubstr("one number")));
  EXPECT_THAT(refusal({{"map.1", square}, {"lens_1", square}}), HasSubstr("layer 1 has a map already"));
}

TEST(LensText, IsReadAndWritten) {
  for (const char* text : {"raw", "lin", "head", "map:some/file.safetensors"})
    EXPECT_EQ(to_string(parse_lens(text)), text);
  for (const char* text : {"", "map:", "tuned"})
    EXPECT_THAT(test::error_of(ErrorKind::kUsage, [&] { parse_lens(text); }), HasSubstr("map:FILE"));
}

}  // namespace
}  // namespace emend
