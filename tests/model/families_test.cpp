// Settings of families, and architectures that are refused.
#include <gmock/gmock.h>

#include <cmath>
#include <functional>
#include <set>

#include "base/expect_error.h"
#include "model/families/family.h"
#include "model/weights.h"
#include "support/checkpoint_copy.h"
#include "support/gguf_checkpoint.h"
#include "support/tiny_models.h"

namespace emend {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

ConfigValues settings(const nlohmann::json& config) {
  return ConfigValues::from_json(config.dump(), "config.json");
}

TEST(Families, OtherKindsOfModelsAreRefusedWithTheReason) {
  for (const auto& [type, reason] :
       {std::pair("mixtral", "mixture of experts"), std::pair("gpt_oss", "mixture of experts"),
        std::pair("mamba", "state"), std::pair("falcon_h1", "state"), std::pair("t5", "encoder"),
        std::pair("gemma3n_text", "forward pass")})
    EXPECT_THAT(test::error_of(ErrorKind::kModel,
                               [&] {
                                 find_family(settings({{"model_type", type}}));
                               }),
                AllOf(HasSubstr(type), HasSubstr(reason), HasSubstr("known ones")));
}

TEST(Families, AllHaveADownProjectionAndNoRoleTwiceUnderOneName) {
  for (const std::string& name : known_families()) {
    const Family& family = find_family(name);
    EXPECT_EQ(role_tensor(family, Role::kMlpDown).role, Role::kMlpDown) << name;
    std::set<Role> roles;
    for (const TensorName& tensor : family.tensors)
      EXPECT_TRUE(roles.insert(tensor.role).second) << name << ": " << tensor.safetensors;
    EXPECT_TRUE(role_tensor(family, Role::kMlpDown).safetensors.starts_with(family.prefix)) << name;
  }
}

class LlamaKin : public ::testing::Test {
 protected:
  // The config of the tiny Llama with changes, as `type` reads it.
  ModelConfig read(const std::string& type, const nlohmann::json& changes = nlohmann::json::object()) {
    test::CheckpointCopy copy("llama_gqa_tied");
    copy.config["model_type"] = type;
    copy.config.update(changes);
    copy.write();
    const auto file = open_safetensors_folder(copy.folder().path());
    const ConfigValues values = settings(copy.config);
    return find_family(values).read_config(values, *file);
  }
};

std::vector<std::int64_t> windows(const ModelConfig& config) {
  std::vector<std::int64_t> found;
  for (int l = 0; l < config.layers; ++l) found.push_back(config.spec(l).window);
  return found;
}

TEST_F(LlamaKin, MistralsWindowIsItsOwnUnlessNull) {
  EXPECT_THAT(windows(read("mistral", {{"sliding_window", 7}})), ElementsAre(7, 7));
  EXPECT_THAT(windows(read("mistral", {{"sliding_window", nullptr}})), ElementsAre(0, 0));
  EXPECT_THAT(windows(read("mistral")), ElementsAre(4096, 4096));
}

TEST_F(LlamaKin, QwensWindowBeginsAtALayerOrIsListed) {
  const nlohmann::json on = {{"use_sliding_window", true}, {"sliding_window", 7}, {"max_window_layers", 1}};
  EXPECT_THAT(windows(read("qwen2", on)), ElementsAre(0, 7));
  nlohmann::json listed = on;
  listed["layer_types"] = nlohmann::json::array({"sliding_attention", "full_attention"});
  EXPECT_THAT(windows(read("qwen2", listed)), ElementsAre(7, 0));
  EXPECT_THAT(windows(read("qwen2", {{"sliding_window", 7}})), ElementsAre(0, 0));
  listed["layer_types"] = nlohmann::json::array({"sliding_attention", "linear_attention"});
  EXPECT_THAT(test::error_of(ErrorKind::kModel, [&] { read("qwen2", listed); }),
              HasSubstr("linear_attention"));
  listed["layer_types"] = nlohmann::json::array({"sliding_attention"});
  EXPECT_THAT(test::error_of(ErrorKind::kModel, [&] { read("qwen2", listed); }), HasSubstr("1 entries"));
}

TEST_F(LlamaKin, LayersThatTurnNothing) {
  const ModelConfig config = read("smollm3", {{"no_rope_layers", {1, 0}}});
  EXPECT_EQ(config.spec(0).rotary, 0);
  EXPECT_EQ(config.spec(1).rotary, kNoRotary);
  EXPECT_TRUE(read("smollm3").blocks.empty()) << "of two layers none is the fourth";
}

TEST_F(LlamaKin, GranitesMultipliers) {
  const ModelConfig config = read("granite", {{"embedding_multiplier", 12.0},
                                              {"residual_multiplier", 0.22},
                                              {"attention_multiplier", 0.5},
                                              {"logits_scaling", 8.0}});
  EXPECT_EQ(config.embedding_multiplier, 12);
  EXPECT_EQ(config.block.residual_multiplier, 0.22);
  EXPECT_EQ(config.block.attention_scale, 0.5);
  EXPECT_EQ(config.logit_multiplier, 0.125);
}

TEST_F(LlamaKin, Gemma3HasTwoTablesAndAPeriod) {
  const ModelConfig config = read("gemma3_text", {{"sliding_window", 7},
                                                  {"sliding_window_pattern", 2},
                                                  {"hidden_activation", "gelu_pytorch_tanh"},
                                                  {"query_pre_attn_scalar", 64},
                                                  {"attn_logit_softcapping", 50.0},
                                                  {"final_logit_softcapping", 30.0},
                                                  {"rope_parameters", nullptr},
                                                  {"rope_theta", 1e6}});
  ASSERT_EQ(config.rotary.size(), 2u);
  EXPECT_NEAR(config.rotary[0].frequencies[1] / config.rotary[1].frequencies[1],
              std::pow(1e4 / 1e6, 2.0 / static_cast<double>(config.head_dim)), 1e-6);
  EXPECT_THAT(windows(config), ElementsAre(7, 0));
  EXPECT_EQ(config.spec(0).rotary, 1);
  EXPECT_EQ(config.spec(1).rotary, 0);
  EXPECT_EQ(config.block.attention_scale, 0.125);
  EXPECT_EQ(config.spec(0).attention_soft_cap, 0) << "transformers looks at the cap of the logits only";
  EXPECT_EQ(config.logit_soft_cap, 30);
  EXPECT_NEAR(config.embedding_multiplier, std::sqrt(32.0), 1e-12);
}

TEST_F(LlamaKin, ScalesAndCapsThatMeanNothingAreRefused) {
  const auto refusal = [&](const nlohmann::json& change) {
    return test::error_of(ErrorKind::kModel, [&] { check_config(read("gemma2", change), "config.json"); });
  };
  EXPECT_THAT(refusal({{"query_pre_attn_scalar", 0}}), HasSubstr("query_pre_attn_scalar"));
  EXPECT_THAT(refusal({{"attn_logit_softcapping", -50.0}}), HasSubstr("soft cap"));
  EXPECT_THAT(refusal({{"final_logit_softcapping", -30.0}}), HasSubstr("soft cap of the logits"));
}

TEST(Families, ANullInsideATextConfigCoversWhatStandsAroundIt) {
  const ConfigValues values =
      settings({{"sliding_window", 512}, {"text_config", {{"sliding_window", nullptr}}}});
  EXPECT_TRUE(values.is_null("sliding_window"));
  EXPECT_FALSE(values.has({"sliding_window", ""}));
}

TEST(Families, GptjWithoutRotaryDimensionsIsRefused) {
  test::CheckpointCopy copy("gptj");
  copy.config["rotary_dim"] = nullptr;
  const auto folder = copy.write();
  EXPECT_THAT(test::error_of(ErrorKind::kModel, [&] { Model::load(folder); }), HasSubstr("rotary_dim null"));
}

TEST(GgufRope, AFactorWithoutATypeIsLinear) {
  const auto first_frequency = [](const std::function<void(test::GgufCheckpoint&)>& add) {
    test::GgufCheckpoint file = test::llama_as_gguf("llama_gqa_tied", test::GgufType::kF32);
    add(file);
    const test::TempFolder folder;
    return Model::load(folder.write("model.gguf", file.bytes())).config().rotary[0].frequencies[0];
  };
  EXPECT_EQ(first_frequency([](auto&) {}), 1);
  EXPECT_EQ(first_frequency([](auto& f) { f.add_number("llama.rope.scaling.factor", 4); }), 0.25);
  EXPECT_EQ(first_frequency([](auto& f) { f.add_number("llama.rope.scale_linear", 4); }), 0.25);
  EXPECT_EQ(first_frequency([](auto& f) { f.add_text("llama.rope.scaling.type", "linear"); }), 1);
  EXPECT_EQ(first_frequency([](auto& f) {
              f.add_text("llama.rope.scaling.type", "none");
              f.add_number("llama.rope.scaling.factor", 4);
            }),
            1);
}

TEST(GgufRope, TheAttentionFactorCountsWithoutYarn) {
  for (const char* const type : {"linear", "none"}) {
    test::GgufCheckpoint file = test::llama_as_gguf("llama_gqa_tied", test::GgufType::kF32);
    file.add_text("llama.rope.scaling.type", type);
    file.add_number("llama.rope.scaling.attn_factor", 2);
    const test::TempFolder folder;
    EXPECT_EQ(Model::load(folder.write("model.gguf", file.bytes())).config().rotary[0].amplitude, 2) << type;
  }
}

// What is said of a GGUF llama with further keys.
std::string refusal_with(const std::function<void(test::GgufCheckpoint&)>& add) {
  test::GgufCheckpoint file = test::llama_as_gguf("llama_gqa_tied", test::GgufType::kF32);
  add(file);
  const test::TempFolder folder;
  const auto path = folder.write("model.gguf", file.bytes());
  return test::error_of(ErrorKind::kModel, [&] { Model::load(path); });
}

TEST(GgufRope, AMixtureOfExpertsThatSaysLlamaIsRefused) {
  EXPECT_THAT(refusal_with([](auto& f) { f.add_integer("llama.expert_count", 8); }), HasSubstr("experts"));
}

TEST(GgufGemma3, WithoutAWindowIsRefused) {
  test::GgufCheckpoint file(test::GgufType::kF32);
  file.add_text("general.architecture", "gemma3");
  for (const auto& [key, value] : {std::pair("block_count", 2u), std::pair("embedding_length", 32u),
                                   std::pair("feed_forward_length", 48u), std::pair("context_length", 64u),
                                   std::pair("attention.head_count", 4u)})
    file.add_integer(std::string("gemma3.") + key, value);
  file.add_tensor("token_embd.weight", at::zeros({8, 32}));
  const test::TempFolder folder;
  const auto path = folder.write("model.gguf", file.bytes());
  EXPECT_THAT(test::error_of(ErrorKind::kModel, [&] { Model::load(path); }),
              HasSubstr("attention.sliding_window"));
}

TEST(GgufRope, KeysThatChangeTheResultAndAreNotReadAreRefused) {
  EXPECT_THAT(refusal_with([](auto& f) { f.add_boolean("llama.attention.causal", false); }),
              HasSubstr("attention.causal"));
  EXPECT_THAT(refusal_with([](auto& f) {
                f.add_text("llama.rope.scaling.type", "yarn");
                f.add_number("llama.rope.scaling.factor", 4);
                f.add_number("llama.rope.scaling.yarn_ext_factor", 0);
              }),
              HasSubstr("yarn_ext_factor 0"));
}

}  // namespace
}  // namespace emend
