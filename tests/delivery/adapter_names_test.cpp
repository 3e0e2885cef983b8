// What the adapters of every family are called, to the letter: PEFT, vLLM and llama.cpp find the weights by
// these names. tools/check_peft.py and tools/check_llama_cpp.py show that the programs open them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "emend/adapter.h"
#include "tests/base/expect_error.h"
#include "tests/delivery/tiny_edit.h"

namespace emend {
namespace {

using namespace test;

struct Names {
  std::string folder, module,
      architecture;  // of tests/data/families; PEFT's module of layer 1; GGUF: "" has none
  bool conv1d = false;
};

std::ostream& operator<<(std::ostream& out, const Names& names) {
  return out << names.folder;
}

class AdapterNames : public testing::TestWithParam<Names> {
 protected:
  void SetUp() override { base_.emplace(load_quietly(data_path("families/" + GetParam().folder))); }
  std::optional<Model> base_;
  TempFolder folder_;
};

TEST_P(AdapterNames, OfPeftAreThoseOfTheModelClass) {
  const auto modules = peft_modules(*base_, {tiny_patch(*base_, 1, 2, 1)});
  write_peft_adapter(*base_, modules, "some/base", folder_ / "l");
  const auto file = open_safetensors(folder_ / "l/adapter_model.safetensors");
  std::vector<std::string> names;
  for (const TensorInfo& tensor : file->tensors()) names.push_back(tensor.name);
  const std::string front = "base_model.model." + GetParam().module;
  EXPECT_THAT(names, testing::UnorderedElementsAre(front + ".lora_A.weight", front + ".lora_B.weight"));
  EXPECT_EQ(read_all(folder_ / "l/adapter_config.json"), R"({
  "peft_type": "LORA",
  "task_type": "CAUSAL_LM",
  "base_model_name_or_path": "some/base",
  "r": 1,
  "lora_alpha": 1,
  "lora_dropout": 0.0,
  "bias": "none",
  "fan_in_fan_out": )" + std::string(GetParam().conv1d ? "true" : "false") +
                                                             R"(,
  "inference_mode": true,
  "modules_to_save": null,
  "use_rslora": false,
  "use_dora": false,
  "target_modules": [
    ")" + GetParam().module + R"("
  ]
}
)");
}

TEST_P(AdapterNames, OfLlamaCppAreThoseOfTheArchitecture) {
  const std::vector<Patch> patches = {tiny_patch(*base_, 1, 2, 1)};
  if (GetParam().architecture.empty()) {
    EXPECT_THAT(error_of(ErrorKind::kModel, [&] { gguf_modules(*base_, patches); }),
                testing::HasSubstr("has no GGUF form"));
    return;
  }
  write_gguf_adapter(*base_, gguf_modules(*base_, patches), folder_ / "a.gguf");
  const auto file = open_gguf(folder_ / "a.gguf");
  EXPECT_EQ(std::get<std::string>(file->gguf_metadata().at("general.architecture")), GetParam().architecture);
  std::vector<std::string> names;
  for (const TensorInfo& tensor : file->tensors()) names.push_back(tensor.name);
  EXPECT_THAT(names,
              testing::UnorderedElementsAre("blk.1.ffn_down.weight.lora_a", "blk.1.ffn_down.weight.lora_b"));
}

const std::string kDown = "model.layers.1.mlp.down_proj";
const std::string kNestedDown = "model.language_model.layers.1.mlp.down_proj";

INSTANTIATE_TEST_SUITE_P(
    EveryFamily, AdapterNames,
    testing::Values(Names{"falcon_a", "transformer.h.1.mlp.dense_4h_to_h", "falcon"},
                    Names{"gemma_a", kDown, "gemma"}, Names{"gemma2_a", kDown, "gemma2"},
                    Names{"gemma3_a", kDown, "gemma3"}, Names{"gemma3_nested_a", kNestedDown, "gemma3"},
                    Names{"gemma3_nested_b", kNestedDown, "gemma3"},
                    Names{"gpt2_a", "transformer.h.1.mlp.c_proj", "gpt2", true},
                    Names{"gpt_neox_a", "gpt_neox.layers.1.mlp.dense_4h_to_h", "gptneox"},
                    Names{"granite_a", kDown, "granite"}, Names{"llama_no_prefix_a", kDown, "llama"},
                    Names{"llama_head_only_a", kDown, "llama"}, Names{"mistral_a", kDown, "llama"},
                    Names{"olmo2_a", kDown, "olmo2"}, Names{"opt_a", "model.decoder.layers.1.fc2", ""},
                    Names{"phi_a", "model.layers.1.mlp.fc2", "phi2"}, Names{"phi3_a", kDown, "phi3"},
                    Names{"qwen2_a", kDown, "qwen2"}, Names{"qwen3_a", kDown, "qwen3"},
                    Names{"smollm3_a", kDown, "smollm3"}, Names{"stablelm_a", kDown, "stablelm"},
                    Names{"starcoder2_a", "model.layers.1.mlp.c_proj", "starcoder2"}),
    [](const auto& test) { return test.param.folder; });

}  // namespace
}  // namespace emend
