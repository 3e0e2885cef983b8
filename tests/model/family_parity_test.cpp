// Logits of the tiny checkpoints of every family against those that `transformers` computed: the checkpoint
// with its config.json, with each of configs/, and as the GGUF files beside it (tools/fixtures/families).
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "base/expect_error.h"
#include "base/temp_folder.h"
#include "emend/model.h"
#include "model/families/family.h"
#include "support/model_files.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

// Folders of tests/data/families. A family that is not read yet is skipped and says so.
struct FamilyFolders {
  std::string family;
  std::vector<std::string> folders;
};

const std::vector<FamilyFolders>& families() {
  static const std::vector<FamilyFolders> all = {
      {"gpt2", {"gpt2_a", "gpt2_own_head_a"}},
      {"llama",
       {"llama_no_prefix_a", "llama_no_prefix_b", "llama_rope_a", "llama_own_head_a", "llama_head_only_a"}},
      {"mistral", {"mistral_a", "mistral_b"}},
      {"qwen2", {"qwen2_a", "qwen2_b"}},
      {"qwen3", {"qwen3_a", "qwen3_b"}},
      {"gemma", {"gemma_a", "gemma_b"}},
      {"gemma2", {"gemma2_a", "gemma2_b"}},
      {"gemma3", {"gemma3_a", "gemma3_b", "gemma3_nested_a", "gemma3_nested_b"}},
      {"olmo2", {"olmo2_a", "olmo2_b"}},
      {"smollm3", {"smollm3_a", "smollm3_b"}},
      {"phi", {"phi_a", "phi_b"}},
      {"phi3", {"phi3_a", "phi3_b"}},
      {"gpt_neox", {"gpt_neox_a", "gpt_neox_b", "gpt_neox_c"}},
      {"opt", {"opt_a", "opt_d"}},
      {"falcon", {"falcon_a", "falcon_b", "falcon_c", "falcon_d"}},
      {"granite", {"granite_a", "granite_b"}},
      {"stablelm", {"stablelm_a", "stablelm_b"}},
      {"starcoder2", {"starcoder2_a", "starcoder2_b"}},
  };
  return all;
}

struct Case {
  std::string family, folder;
};

void PrintTo(const Case& one, std::ostream* out) {
  *out << one.folder;
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const FamilyFolders& family : families())
    for (const std::string& folder : family.folders) all.push_back({family.family, folder});
  return all;
}

fs::path folder_path(const std::string& folder) {
  return test::data_path("families/" + folder);
}

// Names without extension of the files of `folder` that end in `extension`, sorted.
std::vector<std::string> stems(const fs::path& folder, const std::string& extension) {
  std::vector<std::string> found;
  if (fs::is_directory(folder))
    for (const auto& entry : fs::directory_iterator(folder))
      if (entry.path().extension() == extension) found.push_back(entry.path().stem());
  std::sort(found.begin(), found.end());
  return found;
}

at::Tensor logits_of(const Model& model, const at::Tensor& ids) {
  const c10::NoGradGuard no_grad;
  PassInput input;
  const auto* data = ids.const_data_ptr<std::int64_t>();
  input.ids.emplace_back(data, data + ids.size(1));
  for (std::int64_t t = 0; t < ids.size(1); ++t) input.logit_tokens.push_back(t);
  return model.forward(input).logits;
}

// Standard deviation over ids, mean over positions.
double spread(const at::Tensor& logits) {
  return logits.std(-1).mean().item<double>();
}

class FamilyParity : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const std::vector<std::string> known = known_families();
    if (std::find(known.begin(), known.end(), GetParam().family) == known.end())
      GTEST_SKIP() << "the family " << GetParam().family << " is not read yet";
    recorded_ = open_safetensors(folder_path(GetParam().folder) / "logits.safetensors");
  }

  // The model's logits for as many of the recorded ids as the tensor `name` has rows, within 2e-5 of their
  // spread.
  void expect_recorded(const Model& model, const std::string& name) {
    const at::Tensor wanted = test::read_tensor(*recorded_, name)[0];
    const at::Tensor ids =
        test::read_tensor(*recorded_, "input_ids").slice(1, 0, wanted.size(0)).contiguous();
    EXPECT_TRUE(test::near(logits_of(model, ids), wanted, 2e-5 * spread(wanted))) << name;
  }

  // `variant` is empty for config.json and model.gguf. The first of `kinds` that was recorded counts; text of
  // another length as well where it was recorded.
  void expect_logits(const Model& model, const std::string& variant, const std::vector<std::string>& kinds) {
    const std::string suffix = variant.empty() ? "" : "." + variant;
    const auto kind = std::find_if(kinds.begin(), kinds.end(), [&](const std::string& k) {
      return recorded_->find(k + suffix) != nullptr;
    });
    expect_recorded(model, kind == kinds.end() ? "logits" : *kind + suffix);
    if (recorded_->find("short" + suffix) != nullptr) expect_recorded(model, "short" + suffix);
  }

  std::unique_ptr<TensorFile> recorded_;
};

TEST_P(FamilyParity, LogitsEqualTheRecordedOnes) {
  expect_logits(Model::load(folder_path(GetParam().folder)), "", {"logits"});
}

TEST_P(FamilyParity, EachConfigurationOfTheSameWeightsHasItsOwnLogits) {
  const fs::path source = folder_path(GetParam().folder);
  for (const std::string& variant : stems(source / "configs", ".json")) {
    SCOPED_TRACE(variant);
    const test::TempFolder folder;
    fs::copy_file(source / "model.safetensors", folder / "model.safetensors");
    fs::copy_file(source / "configs" / (variant + ".json"), folder / "config.json");
    try {
      expect_logits(Model::load(folder.path()), variant, {"logits"});
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
  }
}

TEST_P(FamilyParity, TheSameWeightsInGgufHaveTheSameLogits) {
  const fs::path source = folder_path(GetParam().folder);
  for (const std::string& name : stems(source, ".gguf")) {
    SCOPED_TRACE(name + ".gguf");
    try {
      expect_logits(Model::load(source / (name + ".gguf")), name == "model" ? "" : name, {"gguf", "logits"});
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, FamilyParity, ::testing::ValuesIn(cases()),
                         [](const auto& one) { return one.param.folder; });

// Folders with config.json alone, which are refused, and the setting that the refusal names.
struct Refusal {
  std::string folder, setting;
};

const std::vector<Refusal>& refusals() {
  static const std::vector<Refusal> all = {{"opt_b", "do_layer_norm_before false"},
                                           {"opt_c", "do_layer_norm_before false"}};
  return all;
}

TEST(FamilyRefusals, NameTheSetting) {
  const auto file = open_safetensors(folder_path("opt_a") / "model.safetensors");
  for (const Refusal& one : refusals()) {
    const fs::path path = folder_path(one.folder) / "config.json";
    const ConfigValues values = ConfigValues::from_json(test::read_all(path), path.string());
    EXPECT_THAT(test::error_of(ErrorKind::kModel, [&] { find_family(values).read_config(values, *file); }),
                ::testing::AllOf(::testing::HasSubstr(path.string()), ::testing::HasSubstr(one.setting)));
  }
}

// Settings of OPT that no checkpoint here has, each alone in the config.json of one that is read.
TEST(FamilyRefusals, NameTheSettingsOfOptThatAreNotRead) {
  struct Setting {
    std::string name;
    nlohmann::json value;
    std::string named;
  };
  const auto file = open_safetensors(folder_path("opt_a") / "model.safetensors");
  const std::string path = (folder_path("opt_a") / "config.json").string();
  for (const Setting& one :
       {Setting{"do_layer_norm_before", false, "do_layer_norm_before false"},
        Setting{"layer_norm_elementwise_affine", false, "layer_norm_elementwise_affine false"},
        Setting{"_remove_final_layer_norm", true, "_remove_final_layer_norm"},
        Setting{"word_embed_proj_dim", 8, "an embedding of another width than the hidden size"}}) {
    auto config = nlohmann::json::parse(test::read_all(path));
    config[one.name] = one.value;
    const ConfigValues values = ConfigValues::from_json(config.dump(), path);
    EXPECT_THAT(test::error_of(ErrorKind::kModel, [&] { find_family(values).read_config(values, *file); }),
                ::testing::AllOf(::testing::HasSubstr(path), ::testing::HasSubstr(one.named)))
        << one.name;
  }
}

TEST(FamilyFolders, AllOfThemAreInTheTable) {
  std::vector<std::string> listed, found;
  for (const Refusal& one : refusals()) listed.push_back(one.folder);
  for (const Case& one : cases()) listed.push_back(one.folder);
  for (const auto& entry : fs::directory_iterator(test::data_path("families")))
    if (entry.is_directory()) found.push_back(entry.path().filename());
  std::sort(listed.begin(), listed.end());
  std::sort(found.begin(), found.end());
  EXPECT_EQ(listed, found);
}

}  // namespace
}  // namespace emend
