#include "emend/adapter.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/base/expect_error.h"
#include "tests/delivery/tiny_edit.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using namespace test;
using testing::HasSubstr;

nlohmann::json read_config(const fs::path& folder) {
  return nlohmann::json::parse(read_all(folder / "adapter_config.json"));
}

TEST(PeftAdapter, HoldsTheVeryFactors) {
  const TempFolder folder;
  for (const auto& [name, module, conv1d] :
       {std::tuple{"gpt2", "transformer.h.1.mlp.c_proj", true},
        std::tuple{"gpt2_no_prefix", "transformer.h.1.mlp.c_proj", true},
        std::tuple{"gptj", "transformer.h.1.mlp.fc_out", false},
        std::tuple{"llama_gqa_tied", "model.layers.1.mlp.down_proj", false}}) {
    const Model base = load_quietly(data_path(std::string("parity/") + name));
    const std::vector<Patch> patches = {tiny_patch(base, 1, 2, 1), tiny_patch(base, 1, 5, 1)};
    const auto modules = peft_modules(base, patches);
    ASSERT_EQ(modules.size(), 1U);
    EXPECT_EQ(modules[0].name, module);
    write_peft_adapter(base, modules, "some/base", folder / name);
    const auto file = open_safetensors(folder / name / "adapter_model.safetensors");
    const std::string front = std::string("base_model.model.") + module;
    const at::Tensor A = read_tensor(*file, front + ".lora_A.weight"),
                     B = read_tensor(*file, front + ".lora_B.weight");
    EXPECT_TRUE(at::equal(A, at::cat({patches[0].edit.changes[0].A, patches[1].edit.changes[0].A}, 0)));
    EXPECT_TRUE(at::equal(B, at::cat({patches[0].edit.changes[0].B, patches[1].edit.changes[0].B}, 1)));
    const auto config = read_config(folder / name);
    EXPECT_EQ(config["r"], 2);
    EXPECT_EQ(config["lora_alpha"], 2);
    EXPECT_EQ(config["fan_in_fan_out"], conv1d);
    EXPECT_EQ(config["base_model_name_or_path"], "some/base");
    EXPECT_EQ(config["target_modules"], nlohmann::json::array({module}));
    EXPECT_FALSE(config.contains("rank_pattern"));
  }
}

TEST(PeftAdapter, NamesTheFolderOfItsBaseUnlessTold) {
  const TempFolder folder;
  const Model base = load_quietly(data_path("parity/llama_gqa_tied"));
  const std::vector<Patch> patches = {tiny_patch(base, 1, 2, 1)};
  export_adapter(base, patches, {AdapterFormat::kPeft, folder / "a", ""});
  const fs::path named = read_config(folder / "a")["base_model_name_or_path"].get<std::string>();
  EXPECT_TRUE(named.is_absolute());
  EXPECT_TRUE(fs::equivalent(named, base.path()));
  export_adapter(base, patches, {AdapterFormat::kPeft, folder / "b", "some/base"});
  EXPECT_EQ(read_config(folder / "b")["base_model_name_or_path"], "some/base");
}

TEST(Adapters, RefuseANameOfAnotherForm) {
  const TempFolder folder;
  const Model base = load_quietly(data_path("parity/llama_gqa_tied"));
  const std::vector<Patch> patches = {tiny_patch(base, 1, 2, 1)};
  EXPECT_THAT(error_of(ErrorKind::kUsage,
                       [&] {
                         export_adapter(base, patches, {AdapterFormat::kPeft, folder / "a.gguf", ""});
                       }),
              testing::HasSubstr("a.gguf: what is written here is a folder, and the name ends in .gguf"));
  EXPECT_THAT(error_of(ErrorKind::kUsage,
                       [&] {
                         export_adapter(base, patches, {AdapterFormat::kGguf, folder / "a.safetensors", ""});
                       }),
              testing::HasSubstr("what is written here is a GGUF file, and the name ends in .safetensors"));
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(Adapters, AreRefusedByNameAsModelsAndAsPatches) {
  const TempFolder folder;
  const Model base = load_quietly(data_path("parity/llama_gqa_tied"));
  const std::vector<Patch> patches = {tiny_patch(base, 1, 2, 1)};
  const fs::path peft = folder / "peft", gguf = folder / "a.gguf",
                 weights = peft / "adapter_model.safetensors";
  write_peft_adapter(base, peft_modules(base, patches), "some/base", peft);
  write_gguf_adapter(base, gguf_modules(base, patches), gguf);
  for (const fs::path& given : {peft, weights})
    EXPECT_THAT(error_of(ErrorKind::kModel, [&] { load_quietly(given); }),
                HasSubstr("this is an adapter (adapter_config.json) of \"some/base\", no model"));
  EXPECT_THAT(error_of(ErrorKind::kModel, [&] { load_quietly(gguf); }), HasSubstr("this is a LoRA adapter"));
  EXPECT_THAT(error_of(ErrorKind::kFormat, [&] { load_patch(gguf); }),
              HasSubstr("a.gguf: this is a GGUF file, no patch of emend"));
  EXPECT_THAT(error_of(ErrorKind::kFormat, [&] { load_patch(weights); }),
              HasSubstr("this is an adapter of PEFT, no patch of emend"));
}

TEST(PeftAdapter, NamesTheRankOfEachLayer) {
  const TempFolder folder;
  const Model base = load_quietly(data_path("parity/llama_gqa_tied"));
  const auto modules =
      peft_modules(base, {tiny_patch(base, 0, 2, 1), tiny_patch(base, 1, 3, 1), tiny_patch(base, 1, 5, 1)});
  write_peft_adapter(base, modules, "b", folder / "l");
  const auto config = read_config(folder / "l");
  EXPECT_EQ(config["r"], 2);
  const nlohmann::json ranks = {{"model.layers.0.mlp.down_proj", 1}, {"model.layers.1.mlp.down_proj", 2}};
  EXPECT_EQ(config["rank_pattern"], ranks);
  EXPECT_EQ(config["alpha_pattern"], ranks);  // scale 1 everywhere
}

TEST(Adapters, OfAnEditOfTwoLayersHaveAModuleForEach) {
  const Model base = load_quietly(data_path("parity/llama_gqa_tied"));
  const Patch patch = two_layer_patch(base);
  const auto modules = peft_modules(base, {patch});
  ASSERT_EQ(modules.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(modules[i].block, static_cast<int>(i));
    EXPECT_TRUE(at::equal(modules[i].A, patch.edit.changes[i].A));
    EXPECT_TRUE(at::equal(modules[i].B, patch.edit.changes[i].B));
  }
}

TEST(Adapters, HoldADenseChangeAsFactorsOfFullRank) {
  const TempFolder folder;
  const Model base = load_quietly(data_path("parity/gpt2"));
  const Patch dense = dense_patch(base, 1, 2, 1), low = tiny_patch(base, 1, 5, 1);
  const auto alone = peft_modules(base, {dense});
  ASSERT_EQ(alone.size(), 1U);
  EXPECT_EQ(alone[0].A.size(0), base.config().d_model);
  EXPECT_TRUE(at::equal(at::matmul(alone[0].B, alone[0].A), dense.edit.changes[0].D));
  const auto both = peft_modules(base, {dense, low});
  EXPECT_EQ(both[0].A.size(0), base.config().d_model + 1);
  const at::TensorOptions options(at::kFloat);
  EXPECT_TRUE(at::allclose(at::matmul(both[0].B, both[0].A),
                           dense.edit.changes[0].D + low.edit.changes[0].delta(options), 1e-5, 1e-6));
  write_peft_adapter(base, both, "b", folder / "l");
  EXPECT_EQ(read_config(folder / "l")["r"], base.config().d_model + 1);
}

TEST(GgufAdapter, IsWhatLlamaCppReads) {
  const TempFolder folder;
  const Model base = load_quietly(folder.write("m.gguf", tiny_gguf("llama", GgufType::kQ8_0).bytes()));
  const Patch one = tiny_patch(base, 1, 2, 1);
  write_gguf_adapter(base, gguf_modules(base, {one}), folder / "deep/a.gguf");
  const auto file = open_gguf(folder / "deep/a.gguf");
  EXPECT_EQ(std::get<std::string>(file->gguf_metadata().at("general.type")), "adapter");
  EXPECT_EQ(std::get<std::string>(file->gguf_metadata().at("general.architecture")), "llama");
  EXPECT_EQ(std::get<std::string>(file->gguf_metadata().at("adapter.type")), "lora");
  EXPECT_EQ(std::get<double>(file->gguf_metadata().at("adapter.lora.alpha")), 1);
  EXPECT_TRUE(at::equal(read_tensor(*file, "blk.1.ffn_down.weight.lora_a"), one.edit.changes[0].A));
  EXPECT_TRUE(at::equal(read_tensor(*file, "blk.1.ffn_down.weight.lora_b"), one.edit.changes[0].B));
  // Different ranks have no common alpha / r = 1: 0 stands for a scale of 1.
  write_gguf_adapter(base, gguf_modules(base, {one, tiny_patch(base, 0, 2, 1), tiny_patch(base, 0, 4, 1)}),
                     folder / "b.gguf");
  EXPECT_EQ(std::get<double>(open_gguf(folder / "b.gguf")->gguf_metadata().at("adapter.lora.alpha")), 0);
}

TEST(Adapters, RefuseChangesOfAnotherModel) {
  const Model base = load_quietly(data_path("parity/llama_gqa_tied"));
  Patch patch = tiny_patch(base, 1, 2, 1);
  patch.edit.changes[0].weight.block = 7;
  EXPECT_THAT(error_of(ErrorKind::kModel, [&] { peft_modules(base, {patch}); }),
              HasSubstr("does not fit a model"));
}

}  // namespace
}  // namespace emend
