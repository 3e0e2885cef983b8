// LoRA adapters of PEFT: read, refused, and merged into models of every family.
#include "delivery/merged_adapter.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "support/family_models.h"
#include "support/tiny_models.h"
#include "tests/base/expect_error.h"
#include "tests/delivery/tiny_edit.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using namespace test;
using nlohmann::json;
using testing::HasSubstr;

// A folder as PEFT writes it.
struct AdapterFiles {
  json config = {{"peft_type", "LORA"}, {"r", 2}, {"lora_alpha", 3}};
  std::vector<std::pair<std::string, at::Tensor>> tensors;

  void add(const std::string& module, const at::Tensor& A, const at::Tensor& B) {
    tensors.emplace_back("base_model.model." + module + ".lora_A.weight", A.contiguous());
    tensors.emplace_back("base_model.model." + module + ".lora_B.weight", B.contiguous());
  }
  fs::path write(const fs::path& folder) const {
    fs::create_directories(folder);
    std::ofstream(folder / "adapter_config.json") << config.dump(2);
    std::vector<TensorToWrite> stored;
    for (const auto& [name, tensor] : tensors)
      stored.push_back({name,
                        "F32",
                        tensor.sizes().vec(),
                        {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()}});
    write_safetensors(folder / "adapter_model.safetensors", stored, {});
    return folder;
  }
};

constexpr const char* kQuery = "model.layers.0.self_attn.q_proj";
constexpr const char* kDown = "model.layers.1.mlp.down_proj";

const at::Tensor& matrix(const Model& model, int block, at::Tensor BlockWeights::*member) {
  return model.weights().blocks[static_cast<std::size_t>(block)].*member;
}

TEST(ReadAdapter, ScalesByAlphaOverTheRankOfEachModule) {
  const TempFolder folder;
  AdapterFiles files;
  files.add(kQuery, at::ones({2, 4}), at::ones({8, 2}));
  files.add(kDown, at::ones({4, 6}), at::ones({4, 4}));
  files.config["rank_pattern"] = {{"mlp.down_proj", 4}};
  files.config["alpha_pattern"] = {{"layers\\.1\\..*", 6}};
  const LoraAdapter adapter = read_lora_adapter(files.write(folder / "a"));
  ASSERT_EQ(adapter.modules.size(), 2U);
  const auto scale = [&](const LoraAdapter& read, const std::string& name) {
    for (const LoraModule& module : read.modules)
      if (module.name == name) return module.B[0][0].item<float>();
    return -1.0F;
  };
  EXPECT_EQ(scale(adapter, kQuery), 1.5F);  // 3 / 2
  EXPECT_EQ(scale(adapter, kDown), 1.5F);   // 6 / 4
  files.config["use_rslora"] = true;
  const LoraAdapter stable = read_lora_adapter(files.write(folder / "b"));
  EXPECT_FLOAT_EQ(scale(stable, kQuery), static_cast<float>(3 / std::sqrt(2.0)));
  EXPECT_EQ(scale(stable, kDown), 3.0F);  // 6 / sqrt(4)
}

TEST(ReadAdapter, RefusesWhatIsMoreThanProductsAndWhatIsBroken) {
  const TempFolder folder;
  int number = 0;
  const auto refusal = [&](ErrorKind kind, const std::function<void(AdapterFiles&)>& change) {
    AdapterFiles files;
    files.add(kDown, at::ones({2, 6}), at::ones({4, 2}));
    change(files);
    const fs::path written = files.write(folder / std::to_string(++number));
    return error_of(kind, [&] { read_lora_adapter(written); });
  };
  const auto with = [](const std::string& key, const json& value) {
    return [=](AdapterFiles& files) { files.config[key] = value; };
  };
  EXPECT_THAT(refusal(ErrorKind::kModel, with("peft_type", "IA3")),
              HasSubstr("\"peft_type\" is \"IA3\"; only LORA can be merged here"));
  EXPECT_THAT(refusal(ErrorKind::kModel, with("use_dora", true)), HasSubstr("\"use_dora\" is set"));
  EXPECT_THAT(refusal(ErrorKind::kModel, with("init_lora_weights", "pissa_niter_4")),
              HasSubstr("changes the matrices of the base as well"));
  EXPECT_THAT(refusal(ErrorKind::kModel, with("layer_replication", json::array({json::array({0, 2})}))),
              HasSubstr("\"layer_replication\" is set"));
  EXPECT_THAT(refusal(ErrorKind::kFormat, with("r", 3)),
              HasSubstr("lora_A.weight is [2, 6] and lora_B [4, 2]; the configuration says rank 3"));
  EXPECT_THAT(refusal(ErrorKind::kFormat, with("rank_pattern", {{"(", 2}})),
              HasSubstr("\"rank_pattern.(\" is no regular expression"));
  EXPECT_THAT(refusal(ErrorKind::kFormat, with("rank_pattern", {{std::string(1001, 'a'), 2}})),
              HasSubstr("is longer than 1000 bytes"));
  EXPECT_THAT(refusal(ErrorKind::kFormat, with("lora_alpha", 1e300)),
              HasSubstr("down_proj.lora_B.weight times its scale, 5e+299, is not finite in float32"));
  EXPECT_THAT(refusal(ErrorKind::kModel, with("init_lora_weights", "OLoRA")),
              HasSubstr("changes the matrices of the base as well"));
  EXPECT_THAT(refusal(ErrorKind::kFormat, with("alpha_pattern", {{"down_proj", 2}, {".*proj", 2}})),
              HasSubstr("two keys of \"alpha_pattern\" are for the module model.layers.1.mlp.down_proj"));
  EXPECT_THAT(refusal(ErrorKind::kFormat, [](AdapterFiles& files) { files.tensors.pop_back(); }),
              HasSubstr("down_proj.lora_B.weight is missing, the other half of"));
  EXPECT_THAT(
      refusal(ErrorKind::kFormat, [](AdapterFiles& files) { files.tensors.erase(files.tensors.begin()); }),
      HasSubstr("down_proj.lora_A.weight is missing, the other half of"));
  EXPECT_THAT(refusal(ErrorKind::kFormat,
                      [](AdapterFiles& files) {
                        files.tensors[0].second = at::full({2, 6}, std::numeric_limits<float>::quiet_NaN());
                      }),
              HasSubstr("lora_A.weight holds NaN or infinite values"));
  EXPECT_THAT(refusal(ErrorKind::kFormat,
                      [](AdapterFiles& files) {
                        files.tensors[0].second = at::ones({2, 3, 2});
                      }),
              HasSubstr("has 3 dimensions"));
  EXPECT_THAT(refusal(ErrorKind::kModel,
                      [](AdapterFiles& files) {
                        files.tensors.emplace_back("base_model.model.lm_head.weight", at::ones({2, 2}));
                      }),
              HasSubstr("tensor base_model.model.lm_head.weight is neither lora_A nor lora_B of a matrix"));
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { read_lora_adapter(folder / "none"); }),
              HasSubstr("none: this is no adapter of PEFT: a folder with adapter_config.json"));
  fs::create_directories(folder / "bin");
  std::ofstream(folder / "bin/adapter_config.json") << R"({"peft_type": "LORA"})";
  std::ofstream(folder / "bin/adapter_model.bin") << "x";
  EXPECT_THAT(error_of(ErrorKind::kModel, [&] { read_lora_adapter(folder / "bin"); }),
              HasSubstr("save the adapter with safetensors"));
}

TEST(MergedAdapter, OfAnotherModelIsRefusedByModule) {
  const Model model = load_quietly(data_path("families/llama_rope_a"));
  const std::int64_t D = model.config().d_model, F = model.config().d_ff;
  const auto refusal = [&](const std::string& module, std::int64_t in, std::int64_t out) {
    const LoraAdapter adapter{"lora", "", {{module, at::ones({1, in}), at::ones({out, 1})}}};
    return error_of(ErrorKind::kModel, [&] { require_fit(adapter, model); });
  };
  EXPECT_THAT(refusal("model.layers.40.mlp.down_proj", F, D),
              HasSubstr("lora: the module model.layers.40.mlp.down_proj is of layer 40, and the model has "
                        "layers 0 to "));
  EXPECT_THAT(refusal("model.layers.0.mlp.down_pro", F, D),
              HasSubstr("is no matrix of a block of this llama model; did you mean \"down_proj\"?"));
  EXPECT_THAT(refusal("model.embed_tokens", F, D), HasSubstr("is no matrix of a block"));
  EXPECT_THAT(refusal("model.layers.0.mlp.down_proj", F + 1, D),
              HasSubstr("the module model.layers.0.mlp.down_proj adds to a matrix of " + std::to_string(D) +
                        " x " + std::to_string(F + 1) + ", and the model's is " + std::to_string(D) + " x " +
                        std::to_string(F) + ": the adapter is of another model"));
  EXPECT_THAT(error_of(ErrorKind::kModel,
                       [&] {
                         require_fit(LoraAdapter{"lora", "", {}}, model);
                       }),
              HasSubstr("lora: the adapter has no modules"));
}

TEST(MergedAdapter, OfTwoNamesForOneMatrixOrOfSumsThatAreNotFiniteIsRefused) {
  const Model model = load_quietly(data_path("families/llama_rope_a"));
  const std::int64_t D = model.config().d_model, F = model.config().d_ff;
  const auto adds = [&](const std::string& module, float value) {
    return LoraModule{module, at::full({1, F}, value), at::full({D, 1}, value)};
  };
  const LoraAdapter twice{
      "lora", "", {adds("model.layers.0.mlp.down_proj", 1), adds("layers.0.mlp.down_proj", 1)}};
  EXPECT_THAT(error_of(ErrorKind::kModel, [&] { require_fit(twice, model); }),
              HasSubstr("lora: the modules model.layers.0.mlp.down_proj and layers.0.mlp.down_proj are of "
                        "one matrix"));
  const at::Tensor before = matrix(model, 0, &BlockWeights::mlp_down).clone();
  const LoraAdapter large{
      "lora", "", {adds("model.layers.0.mlp.down_proj", 1), adds("model.layers.1.mlp.down_proj", 1e30F)}};
  EXPECT_THAT(error_of(ErrorKind::kModel, [&] { const ScopedAdapter scope(model, large); }),
              HasSubstr("with the module model.layers.1.mlp.down_proj added, the matrix holds NaN or "
                        "infinite values"));
  EXPECT_TRUE(at::equal(matrix(model, 0, &BlockWeights::mlp_down), before));
}

// A GGUF file is known by its content, and so is the order of its rows.
TEST(MergedAdapter, OfAGgufFileByAnotherNameHasItsOrder) {
  const c10::NoGradGuard no_grad;
  const LoraAdapter adapter = read_lora_adapter(data_path("peft"));
  const TempFolder folder;
  fs::copy_file(data_path("families/llama_rope_a/model.gguf"), folder / "model");
  const Model named = load_quietly(data_path("families/llama_rope_a/model.gguf"));
  const Model plain = load_quietly(folder / "model");
  const ScopedAdapter scope(named, adapter), other(plain, adapter);
  EXPECT_TRUE(at::equal(matrix(plain, 0, &BlockWeights::qkv), matrix(named, 0, &BlockWeights::qkv)));
}

TEST(MergedAdapter, WritesTheRowsOfItsModuleAndPutsThemBack) {
  const Model model = load_quietly(data_path("families/llama_rope_a"));
  const ModelConfig& c = model.config();
  const at::Tensor before = matrix(model, 0, &BlockWeights::qkv).clone();
  const at::Tensor A = waves({2, c.d_model}, 1, 1), B = waves({c.kv_heads * c.head_dim, 2}, 2, 1);
  {
    const ScopedAdapter scope(model, {"lora", "", {{"model.layers.0.self_attn.v_proj", A, B}}});
    at::Tensor wanted = before.clone();
    wanted.slice(0, (c.heads + c.kv_heads) * c.head_dim) += at::matmul(B, A);
    EXPECT_TRUE(at::allclose(matrix(model, 0, &BlockWeights::qkv), wanted, 0, 1e-6));
  }
  EXPECT_TRUE(at::equal(matrix(model, 0, &BlockWeights::qkv), before));
}

// An adapter of all matrices that PEFT saved, with ranks and scales of their own, and the logits that PEFT
// computes with it (tools/fixtures/peft_reference.py).
TEST(MergedAdapter, SaysWhatPeftSays) {
  const c10::NoGradGuard no_grad;
  const LoraAdapter adapter = read_lora_adapter(data_path("peft"));
  EXPECT_EQ(adapter.base_name, "llama_rope_a");
  const auto reference = open_safetensors(data_path("peft/logits.safetensors"));
  const at::Tensor wanted = read_tensor(*reference, "logits");
  for (const char* base : {"families/llama_rope_a", "families/llama_rope_a/model.gguf"}) {
    const Model model = load_quietly(data_path(base));
    EXPECT_EQ(adapter.modules.size(), 7U * static_cast<std::size_t>(model.config().layers));
    const ScopedAdapter scope(model, adapter);
    const at::Tensor merged = plain_logits(model, counting(2, 14));
    EXPECT_LT((merged - wanted).abs().max().item<float>(), 2e-5F * wanted.std().item<float>()) << base;
  }
}

// ---- every family

class MergedFamilies : public testing::TestWithParam<std::string> {};

bool is_conv1d(const fs::path& checkpoint) {
  return json::parse(read_all(checkpoint / "config.json")).at("model_type") == "gpt2";
}

// An adapter of all matrices of block 0 that a checkpoint has, by the file's names.
LoraAdapter whole_block(const fs::path& checkpoint) {
  LoraAdapter adapter{"lora", "", {}};
  const auto file = open_checkpoint(checkpoint);
  double seed = 1;
  for (const TensorInfo& info : file->tensors()) {
    const bool is_matrix = info.name.ends_with(".weight") && info.shape.size() == 2;
    if (!is_matrix || info.name.find(".0.") == std::string::npos ||
        info.name.find("vision") != std::string::npos)
      continue;
    std::int64_t out = info.shape[0], in = info.shape[1];
    if (is_conv1d(checkpoint)) std::swap(out, in);
    seed += 1;
    adapter.modules.push_back({info.name.substr(0, info.name.size() - 7), waves({2, in}, seed, 0.3),
                               waves({out, 2}, seed + 0.5, 0.3)});
  }
  return adapter;
}

// A copy of a checkpoint with W + B A in its file.
void write_merged(const fs::path& checkpoint, const LoraAdapter& adapter, const fs::path& to) {
  fs::copy_file(checkpoint / "config.json", to / "config.json");
  const auto file = open_checkpoint(checkpoint);
  std::vector<TensorToWrite> tensors;
  std::deque<at::Tensor> kept;
  for (const TensorInfo& info : file->tensors()) {
    at::Tensor tensor = read_tensor(*file, info.name);
    for (const LoraModule& module : adapter.modules)
      if (module.name + ".weight" == info.name) {
        const at::Tensor product = at::matmul(module.B, module.A);
        tensor = tensor + (is_conv1d(checkpoint) ? product.t() : product);
      }
    const at::Tensor& one = kept.emplace_back(tensor.contiguous());
    tensors.push_back(
        {info.name, "F32", info.shape, {static_cast<const std::byte*>(one.const_data_ptr()), one.nbytes()}});
  }
  write_safetensors(to / "model.safetensors", tensors, {});
}

// A checkpoint with W + B A in its file, and the merged model, have the same logits; so has the GGUF file of
// the same model, whose queries and keys may lie in another order.
TEST_P(MergedFamilies, SayWhatTheWrittenCheckpointSays) {
  const c10::NoGradGuard no_grad;
  const fs::path folder = data_path("families/" + GetParam());
  const LoraAdapter adapter = whole_block(folder);
  ASSERT_GE(adapter.modules.size(), 4U);
  const TempFolder copy;
  write_merged(folder, adapter, copy.path());
  const TokenIds ids = counting(2, 12);
  const at::Tensor wanted = plain_logits(load_quietly(copy.path()), ids);
  const at::Tensor unmerged = plain_logits(load_quietly(folder), ids);
  for (const fs::path& base : {folder, folder / "model.gguf"}) {
    if (!fs::exists(base)) continue;
    SCOPED_TRACE(base.string());
    const Model model = load_quietly(base);
    const at::Tensor plain = plain_logits(model, ids);
    // Some GGUF files leave out settings of their model (tests/data/families/README.md).
    if ((plain - unmerged).abs().max().item<float>() > 2e-4F * unmerged.std().item<float>()) {
      EXPECT_EQ(base.extension(), ".gguf");
      continue;
    }
    {
      const ScopedAdapter scope(model, adapter);
      const at::Tensor merged = plain_logits(model, ids);
      EXPECT_LT((merged - wanted).abs().max().item<float>(), 2e-4F * wanted.std().item<float>());
      EXPECT_GT((merged - plain).abs().max().item<float>(), 0.01F * wanted.std().item<float>());
    }
    EXPECT_TRUE(at::equal(plain_logits(model, ids), plain));
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, MergedFamilies, testing::ValuesIn(family_checkpoints()),
                         [](const auto& one) { return one.param; });

}  // namespace
}  // namespace emend
