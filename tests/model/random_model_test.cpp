#include "base/expect_error.h"
#include "support/model_files.h"
#include "support/tiny_models.h"

namespace emend {
namespace {

class RandomModel : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Shapes, RandomModel, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(RandomModel, SameSeedSameWeights) {
  const ModelConfig config = test::tiny_config(GetParam());
  const Model a = Model::make_random(config, 5, {}), b = Model::make_random(config, 5, {}),
              c = Model::make_random(config, 6, {});
  for (int l = 0; l < config.layers; ++l) {
    EXPECT_TRUE(at::equal(a.weights().blocks[l].qkv, b.weights().blocks[l].qkv));
    EXPECT_TRUE(at::equal(a.weights().blocks[l].mlp_down, b.weights().blocks[l].mlp_down));
    EXPECT_FALSE(at::equal(a.weights().blocks[l].mlp_down, c.weights().blocks[l].mlp_down));
  }
  EXPECT_TRUE(at::equal(a.weights().token_embedding, b.weights().token_embedding));
  EXPECT_EQ(a.fingerprint(), b.fingerprint());
  EXPECT_NE(a.fingerprint(), c.fingerprint());
}

TEST_P(RandomModel, WeightsHaveTheStatedDeviations) {
  const Model model = Model::make_random(test::tiny_config(GetParam()), 5, {});
  const BlockWeights& block = model.weights().blocks[1];
  EXPECT_NEAR(block.mlp_in.std().item<double>(), 0.02, 0.002);
  EXPECT_NEAR(block.mlp_down.std().item<double>(), 0.02 / std::sqrt(8.0), 0.001);
  EXPECT_TRUE(at::equal(block.mlp_norm, at::ones({32})));
  EXPECT_FALSE(model.has_tokenizer());
  test::error_of(ErrorKind::kModel, [&] { model.tokenizer(); });
}

TEST(RandomModelErrors, AConfigThatCannotBeIsRefused) {
  ModelConfig config = test::tiny_config("llama");
  config.kv_heads = 3;
  EXPECT_NE(test::error_of(ErrorKind::kModel, [&] { Model::make_random(config, 0, {}); }).find("multiple"),
            std::string::npos);
  config = test::tiny_config("gpt2");
  config.layers = 0;
  test::error_of(ErrorKind::kModel, [&] { Model::make_random(config, 0, {}); });
}

TEST(RandomModelErrors, UnknownDeviceAndDtypeAreRefused) {
  const ModelConfig config = test::tiny_config("gpt2");
  EXPECT_EQ(test::error_of(ErrorKind::kUsage, [&] { parse_compute_type("float33"); }),
            "unknown dtype \"float33\"; known: float32, bfloat16, float16");
  EXPECT_NE(test::error_of(ErrorKind::kUsage, [&] { Placement::parse("abacus"); }).find("abacus"),
            std::string::npos);
  ModelOptions options;
  options.dtype = ComputeType::kFloat16;
  test::error_of(ErrorKind::kUsage, [&] { Model::make_random(config, 0, options); });
}

}  // namespace
}  // namespace emend
