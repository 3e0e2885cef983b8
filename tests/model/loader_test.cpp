// Broken checkpoints: each is refused with what is wrong and where.
#include <gmock/gmock.h>

#include <limits>

#include "base/expect_error.h"
#include "emend/generate.h"
#include "emend/model.h"
#include "support/checkpoint_copy.h"
#include "support/tiny_models.h"

namespace emend {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string refusal(const std::filesystem::path& path, ErrorKind kind = ErrorKind::kModel) {
  return test::error_of(kind, [&] { Model::load(path); });
}

TEST(Loader, CopiedCheckpointLoads) {
  test::CheckpointCopy copy("llama_gqa_tied");
  const Model model = Model::load(copy.write());
  EXPECT_EQ(model.config().layers, 2);
  EXPECT_EQ(model.config().kv_heads, 2);
  EXPECT_EQ(model.config().d_ff, 80);
  EXPECT_FALSE(model.has_tokenizer());
  EXPECT_THAT(test::error_of(ErrorKind::kModel, [&] { model.tokenizer(); }), HasSubstr("tokenizer.json"));
  EXPECT_EQ(model.roles().size(), copy.tensors.size());
}

TEST(Loader, TakesASafetensorsFileBesideItsConfig) {
  test::CheckpointCopy copy("gpt2");
  copy.write();
  EXPECT_EQ(Model::load(copy.folder() / "model.safetensors").config().family, "gpt2");
}

TEST(Loader, NamesTheSettingThatIsMissing) {
  for (const char* key : {"n_layer", "n_embd", "n_head", "vocab_size", "n_positions"}) {
    test::CheckpointCopy copy("gpt2");
    copy.config.erase(key);
    EXPECT_THAT(refusal(copy.write()), AllOf(HasSubstr(key), HasSubstr("config.json"), HasSubstr("missing")));
  }
  for (const char* key : {"num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads",
                          "rms_norm_eps", "vocab_size", "max_position_embeddings", "model_type"}) {
    test::CheckpointCopy copy("llama_gqa_tied");
    copy.config.erase(key);
    EXPECT_THAT(refusal(copy.write()), AllOf(HasSubstr(key), HasSubstr("config.json"), HasSubstr("missing")));
  }
}

TEST(Loader, RefusesSettingsOfAWrongTypeOrSize) {
  const auto with = [](const std::string& checkpoint, const std::string& key, const nlohmann::json& value) {
    test::CheckpointCopy copy(checkpoint);
    copy.config[key] = value;
    return refusal(copy.write());
  };
  EXPECT_THAT(with("gpt2", "n_layer", "two"), AllOf(HasSubstr("n_layer"), HasSubstr("integer")));
  EXPECT_THAT(with("gpt2", "n_layer", 0), HasSubstr("layers"));
  EXPECT_THAT(with("gpt2", "n_head", 0), HasSubstr("heads"));
  EXPECT_THAT(with("gpt2", "n_head", 5), HasSubstr("multiple of the number of heads"));
  EXPECT_THAT(with("llama_gqa_tied", "num_key_value_heads", 3), HasSubstr("multiple of the key/value heads"));
  EXPECT_THAT(with("llama_gqa_tied", "rms_norm_eps", "small"), HasSubstr("rms_norm_eps"));
  for (const std::int64_t size : {-8, 0, 7, 1 << 20})
    EXPECT_THAT(with("llama_gqa_tied", "head_dim", size), HasSubstr("head size is " + std::to_string(size)));
  EXPECT_THAT(with("gpt2", "n_layer", (std::int64_t{1} << 32) + 2),
              AllOf(HasSubstr("n_layer"), HasSubstr("larger")));
  EXPECT_THAT(with("llama_gqa_tied", "hidden_act", "mish"), AllOf(HasSubstr("mish"), HasSubstr("silu")));
  EXPECT_THAT(with("gpt2", "activation_function", "mish"), AllOf(HasSubstr("mish"), HasSubstr("gelu_new")));
  EXPECT_THAT(with("llama_gqa_tied", "rope_parameters", {{"rope_theta", 1e4}, {"rope_type", "spiral"}}),
              AllOf(HasSubstr("spiral"), HasSubstr("yarn")));
  EXPECT_THAT(with("llama_gqa_tied", "rope_parameters", {{"rope_theta", 1e4}, {"rope_type", "yarn"}}),
              AllOf(HasSubstr("rope_parameters.factor"), HasSubstr("missing")));
}

TEST(Loader, ListsTheKnownArchitectures) {
  test::CheckpointCopy copy("gpt2");
  copy.config["model_type"] = "mamba";
  EXPECT_THAT(refusal(copy.write()), AllOf(HasSubstr("mamba"), HasSubstr("gpt2"), HasSubstr("llama")));
}

TEST(Loader, NamesAllMissingUnexpectedAndMisshapedTensorsAtOnce) {
  test::CheckpointCopy copy("gpt2");
  copy.tensors.erase("transformer.h.0.ln_1.weight");
  copy.tensors.erase("transformer.h.1.mlp.c_fc.bias");
  copy.tensors["transformer.h.0.adapter.weight"] = {"F32", {2}, std::string(8, '\0')};
  auto& down = copy.tensors.at("transformer.h.1.mlp.c_proj.weight");
  ASSERT_EQ(down.shape, (std::vector<std::int64_t>{128, 32}));
  std::swap(down.shape[0], down.shape[1]);
  const std::string message = refusal(copy.write());
  for (const char* part :
       {"transformer.h.0.ln_1.weight", "transformer.h.1.mlp.c_fc.bias", "transformer.h.0.adapter.weight",
        "transformer.h.1.mlp.c_proj.weight is [32, 128], expected [128, 32]", "missing", "unexpected",
        "wrong shape", "model.safetensors"})
    EXPECT_THAT(message, HasSubstr(part));
}

TEST(Loader, ATiedModelMayStoreItsHeadAndAnUntiedOneMust) {
  test::CheckpointCopy tied("llama_gqa_tied");
  tied.tensors["lm_head.weight"] = tied.tensors.at("model.embed_tokens.weight");
  EXPECT_NO_THROW(Model::load(tied.write()));
  test::CheckpointCopy untied("llama_untied_llama3_rope");
  untied.tensors.erase("lm_head.weight");
  EXPECT_THAT(refusal(untied.write()), HasSubstr("lm_head.weight"));
}

TEST(Loader, NamesTheTensorThatHoldsNaNOrInfinity) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()})
    for (const std::string checkpoint : {"gpt2", "llama_gqa_tied"}) {
      test::CheckpointCopy copy(checkpoint);
      const std::string name =
          checkpoint == "gpt2" ? "transformer.h.1.mlp.c_proj.weight" : "model.layers.1.mlp.down_proj.weight";
      std::memcpy(copy.tensors.at(name).bytes.data() + 4 * 100, &bad, 4);
      EXPECT_THAT(refusal(copy.write()), AllOf(HasSubstr(name), HasSubstr("NaN")));
    }
}

TEST(Loader, LargeFiniteWeightsAreNotTakenForInfinite) {
  test::CheckpointCopy copy("gpt2");
  auto& bias = copy.tensors.at("transformer.h.1.mlp.c_proj.bias");
  const float large = 3e38f;
  std::memcpy(bias.bytes.data(), &large, 4);
  std::memcpy(bias.bytes.data() + 4, &large, 4);  // their sum overflows
  EXPECT_NO_THROW(Model::load(copy.write()));
}

TEST(Loader, RefusesATypeThatIsNoWeight) {
  test::CheckpointCopy copy("gpt2");
  auto& bias = copy.tensors.at("transformer.h.0.mlp.c_proj.bias");
  bias.dtype_name = "I64";
  bias.bytes.assign(32 * 8, '\0');
  EXPECT_THAT(refusal(copy.write()),
              AllOf(HasSubstr("transformer.h.0.mlp.c_proj.bias"), HasSubstr("I64"), HasSubstr("BF16")));
}

TEST(Loader, RefusesAConfigFarLargerThanTheFile) {
  for (const auto& [key, value] :
       {std::pair("n_layer", 9999), std::pair("vocab_size", 16000000), std::pair("n_inner", 16000000)}) {
    test::CheckpointCopy copy("gpt2");
    copy.config[key] = value;
    EXPECT_THAT(refusal(copy.write()), AllOf(HasSubstr("larger"), HasSubstr("config.json"))) << key;
  }
  test::CheckpointCopy positions("gpt2");
  positions.config["n_positions"] = 9000000;
  EXPECT_THAT(refusal(positions.write()), HasSubstr("larger")) << "positions are weights too";
  test::CheckpointCopy heads("llama_gqa_tied");
  heads.config["num_attention_heads"] = 1 << 20;
  heads.config["head_dim"] = 1 << 10;
  EXPECT_THAT(refusal(heads.write()), HasSubstr("larger"));
}

TEST(Loader, RefusesAFolderWithoutConfigOrWeights) {
  test::CheckpointCopy copy("gpt2");
  copy.write();
  std::filesystem::remove(copy.folder() / "config.json");
  EXPECT_THAT(refusal(copy.folder().path(), ErrorKind::kIo), HasSubstr("config.json"));
  std::filesystem::remove(copy.folder() / "model.safetensors");
  copy.folder().write("config.json", copy.config.dump());
  bool refused = false;
  try {
    Model::load(copy.folder().path());
  } catch (const Error& error) {
    refused = true;
    EXPECT_THAT(error.what(), HasSubstr(copy.folder().path().string()));
  }
  EXPECT_TRUE(refused);
}

TEST(Loader, RefusesAConfigThatIsNotJson) {
  test::CheckpointCopy copy("gpt2");
  copy.write();
  copy.folder().write("config.json", "{\"n_layer\": ");
  EXPECT_THAT(refusal(copy.folder().path(), ErrorKind::kFormat), HasSubstr("config.json"));
  copy.folder().write("config.json", "[1, 2]");
  EXPECT_THAT(refusal(copy.folder().path(), ErrorKind::kFormat), HasSubstr("object"));
}

TEST(Loader, AnIdWithoutARowIsRefusedWhereItIsUsed) {
  test::CheckpointCopy copy("gpt2");  // 192 rows
  copy.write();
  std::filesystem::copy_file(test::data_path("world/gpt2/tokenizer.json"), copy.folder() / "tokenizer.json");
  const Model model = Model::load(copy.folder().path());
  EXPECT_EQ(model.tokenizer().size(), 1664);
  EXPECT_NO_THROW(test::plain_logits(model, {0, 191}));
  EXPECT_THAT(test::error_of(ErrorKind::kModel,
                             [&] {
                               test::plain_logits(model, {0, 192});
                             }),
              AllOf(HasSubstr("192"), HasSubstr("embedding")));
}

TEST(Loader, NamesWithAndWithoutThePrefixAreTheSame) {
  const TokenIds row = test::some_ids(8, 192, 1);
  test::CheckpointCopy copy("llama_gqa_tied");
  const at::Tensor wanted = test::plain_logits(Model::load(copy.write()), row);
  for (const std::string prefix : {"", "model.language_model.", "language_model.model."}) {
    test::CheckpointCopy other("llama_gqa_tied");
    std::map<std::string, test::StoredTensor> renamed;
    for (const auto& [name, tensor] : other.tensors)
      renamed[name.starts_with("model.") ? prefix + name.substr(6) : name] = tensor;
    if (!prefix.empty()) renamed["model.vision_tower.weight"] = {"F32", {2}, std::string(8, '\0')};
    other.tensors = renamed;
    EXPECT_TRUE(test::near(test::plain_logits(Model::load(other.write()), row), wanted, 0)) << prefix;
  }
}

TEST(Loader, SettingsOfANestedTextConfigCount) {
  test::CheckpointCopy copy("llama_gqa_tied");
  nlohmann::json inner = copy.config;
  copy.config = {{"model_type", "llava"}, {"text_config", inner}};
  EXPECT_EQ(Model::load(copy.write()).config().d_ff, 80);
}

TEST(Loader, GPT2TakesTheNamesOfItsAttributeMap) {
  const TokenIds row = test::some_ids(8, 192, 1);
  test::CheckpointCopy copy("gpt2");
  const at::Tensor wanted = test::plain_logits(Model::load(copy.write()), row);
  for (const auto& [own, mapped] :
       {std::pair("n_embd", "hidden_size"), std::pair("n_layer", "num_hidden_layers"),
        std::pair("n_head", "num_attention_heads"), std::pair("n_positions", "max_position_embeddings")}) {
    copy.config[mapped] = copy.config[own];
    copy.config.erase(own);
  }
  EXPECT_TRUE(test::near(test::plain_logits(Model::load(copy.write()), row), wanted, 0));
  copy.config["n_embd"] = 64;
  EXPECT_THAT(refusal(copy.write()), AllOf(HasSubstr("n_embd"), HasSubstr("hidden_size")));
}

TEST(Loader, ActivationsThatAreTheSameGiveTheSame) {
  const TokenIds row = test::some_ids(8, 192, 1);
  const auto logits = [&](const char* activation) {
    test::CheckpointCopy copy("gpt2");
    copy.config["activation_function"] = activation;
    return test::plain_logits(Model::load(copy.write()), row);
  };
  for (const char* same : {"gelu_pytorch_tanh", "gelu_fast", "gelu_accurate"})
    EXPECT_TRUE(test::near(logits(same), logits("gelu_new"), 0)) << same;
  EXPECT_TRUE(test::near(logits("gelu_python"), logits("gelu"), 0));
  for (const char* other : {"gelu", "quick_gelu", "silu", "relu"})
    EXPECT_FALSE(test::near(logits(other), logits("gelu_new"), 1e-6)) << other;
}

TEST(Loader, ATiedModelMayStoreItsHeadAlone) {
  const TokenIds row = test::some_ids(8, 192, 1);
  test::CheckpointCopy copy("llama_gqa_tied");
  const at::Tensor wanted = test::plain_logits(Model::load(copy.write()), row);
  copy.tensors["lm_head.weight"] = copy.tensors.at("model.embed_tokens.weight");
  copy.tensors.erase("model.embed_tokens.weight");
  const Model model = Model::load(copy.write());
  EXPECT_TRUE(model.config().tied_head);
  EXPECT_TRUE(test::near(test::plain_logits(model, row), wanted, 0));
}

TEST(Loader, AStoredHeadThatDiffersFromTheTiedEmbeddingCounts) {
  const TokenIds row = test::some_ids(8, 192, 1);
  test::CheckpointCopy copy("llama_gqa_tied");
  const at::Tensor tied = test::plain_logits(Model::load(copy.write()), row);
  test::StoredTensor head = copy.tensors.at("model.embed_tokens.weight");
  ASSERT_EQ(head.dtype_name, "F32");
  for (std::size_t i = 3; i < head.bytes.size(); i += 4) head.bytes[i] ^= '\x80';  // the sign of each number
  copy.tensors["lm_head.weight"] = head;
  const Model model = Model::load(copy.write());
  EXPECT_FALSE(model.config().tied_head);
  EXPECT_TRUE(test::near(test::plain_logits(model, row), -tied, 1e-5));
}

TEST(Loader, RopeScalingComesBeforeRopeParameters) {
  const auto frequencies = [](const nlohmann::json& changes) {
    test::CheckpointCopy copy("llama_gqa_tied");
    for (const char* key : {"rope_theta", "rope_scaling", "rope_parameters"}) copy.config.erase(key);
    copy.config.update(changes);
    return Model::load(copy.write()).config().rotary[0].frequencies;
  };
  const nlohmann::json parameters = {{"rope_theta", 100.0}, {"rope_type", "linear"}, {"factor", 2.0}};
  const nlohmann::json scaling = {{"type", "linear"}, {"factor", 4.0}};
  const auto both =
      frequencies({{"rope_parameters", parameters}, {"rope_scaling", scaling}, {"rope_theta", 100.0}});
  EXPECT_NEAR(both[0], 0.25, 1e-7) << "the factor of rope_scaling";
  const auto empty =
      frequencies({{"rope_parameters", parameters}, {"rope_scaling", nlohmann::json::object()}});
  EXPECT_NEAR(empty[0], 0.5, 1e-7);
  const auto inside = frequencies({{"rope_parameters", parameters}, {"rope_theta", 7.0}});
  EXPECT_NEAR(inside[1] / inside[0], empty[1] / empty[0], 1e-7) << "rope_theta inside comes first";
}

TEST(Loader, ScalesAttentionByLayerWhenToldTo) {
  test::CheckpointCopy copy("gpt2");
  const TokenIds row = test::some_ids(8, 192, 1);
  const Model plain = Model::load(copy.write());
  copy.config["scale_attn_by_inverse_layer_idx"] = true;
  const Model scaled = Model::load(copy.write());
  EXPECT_FALSE(test::near(test::plain_logits(plain, row), test::plain_logits(scaled, row), 1e-3));
  EXPECT_TRUE(test::near(test::plain_vectors(plain, row, Site::kBlockOutput, 0),
                         test::plain_vectors(scaled, row, Site::kBlockOutput, 0), 0))
      << "block 0 is divided by 1";
  EXPECT_NE(plain.fingerprint(), scaled.fingerprint());
}

TEST(Loader, BFloat16StaysNearFloat32) {
  ModelOptions options;
  options.dtype = ComputeType::kBfloat16;
  const Model wide = Model::load(test::data_path("parity/llama_gqa_tied"));
  const Model narrow = Model::load(test::data_path("parity/llama_gqa_tied"), options);
  EXPECT_EQ(narrow.bytes() * 2, wide.bytes());
  EXPECT_EQ(narrow.options().dtype(), at::kBFloat16);
  const TokenIds row = test::some_ids(8, 192, 1);
  const at::Tensor a = test::plain_logits(wide, row), b = test::plain_logits(narrow, row);
  EXPECT_EQ(b.scalar_type(), at::kFloat);
  EXPECT_LT((a - b).norm().item<double>(), 0.05 * a.norm().item<double>());
  EXPECT_EQ(narrow.fingerprint(), wide.fingerprint()) << "of the file, not of the type it is held in";
}

}  // namespace
}  // namespace emend
