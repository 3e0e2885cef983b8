#include "emend/patch.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>

#include "base/files.h"
#include "delivery/patch_metadata.h"
#include "emend/error.h"
#include "emend/tensor_file.h"
#include "sample_patch.h"
#include "tests/base/expect_error.h"

namespace emend {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

void expect_same_part(const FactPart& a, const FactPart& b) {
  EXPECT_TRUE(a.weight == b.weight);
  EXPECT_TRUE(at::equal(a.keys, b.keys));
  EXPECT_TRUE(at::equal(a.answers, b.answers));
  EXPECT_TRUE(at::equal(a.residual, b.residual));
  EXPECT_EQ(a.rows, b.rows);
}

TEST(Patch, ComesBackAsItWasSaved) {
  const ScratchFolder folder;
  const Patch saved = sample_patch();
  save_patch(saved, folder / "deep/p.safetensors");
  const Patch loaded = load_patch(folder / "deep/p.safetensors");
  EXPECT_EQ(patch_metadata(loaded), patch_metadata(saved));
  EXPECT_EQ(loaded.edit.context_ids, saved.edit.context_ids);
  EXPECT_EQ(loaded.held_text, saved.held_text);
  ASSERT_EQ(loaded.edit.changes.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(loaded.edit.changes[i].weight == saved.edit.changes[i].weight);
    EXPECT_TRUE(at::equal(loaded.edit.changes[i].A, saved.edit.changes[i].A));
    EXPECT_TRUE(at::equal(loaded.edit.changes[i].B, saved.edit.changes[i].B));
    expect_same_part(loaded.edit.facts[i].parts.at(0), saved.edit.facts[i].parts.at(0));
  }
  EXPECT_FALSE(loaded.edit.facts[2].parts.at(0).keys.defined());
  EXPECT_FALSE(loaded.edit.facts[2].parts.at(0).answers.defined());
}

// Names of files may be any bytes, metadata of safetensors may not.
TEST(Patch, OfAModelWhoseNameIsNotUtf8CanBeSaved) {
  const ScratchFolder folder;
  Patch patch = sample_patch();
  patch.base_name = "mod\xE8le.gguf";
  save_patch(patch, folder / "p.safetensors");
  EXPECT_EQ(load_patch(folder / "p.safetensors").base_name, "mod\xEF\xBF\xBDle.gguf");
}

TEST(Patch, KeepsEveryField) {
  const ScratchFolder folder;
  save_patch(sample_patch(), folder / "p.safetensors");
  const Patch patch = load_patch(folder / "p.safetensors");
  EXPECT_EQ(patch.edit.method, "rome");
  EXPECT_EQ(patch.edit.options.at("keys"), "context+bare");
  EXPECT_EQ(patch.edit_text, "edits:\n  - {id: a}\n");
  EXPECT_EQ(patch.bos, "<|begin|>");
  EXPECT_THAT(patch.prefix, ElementsAre(1));
  EXPECT_EQ(patch.conditions.devices, (std::vector{DeviceName{DeviceKind::kCuda, 1}}));
  EXPECT_EQ(patch.conditions.dtype, ComputeType::kBfloat16);
  EXPECT_EQ(patch.conditions.seed, 18446744073709551615u);
  EXPECT_EQ(patch.conditions.token_budget, 512);
  EXPECT_EQ(patch.form, PromptForm::kChat);
  EXPECT_EQ(patch.thresholds.neighbourhood, 0.125);
  EXPECT_TRUE(patch.passed);
  EXPECT_EQ(patch.edit.facts[1].request.neighbours[0].answer, "Europe");
  EXPECT_EQ(patch.edit.objective, Objective::kWritten);
  EXPECT_EQ(patch.edit.facts[1].parts[0].update_norm, 1.0 / 3);
  EXPECT_THAT(patch.edit.facts[0].parts[0].rows, ElementsAre(1));
  EXPECT_EQ(patch.edit.facts[2].status, FactStatus::kAlreadyTrue);
  EXPECT_EQ(patch.edit.facts[2].layer(), 3);
  EXPECT_EQ(patch.edit.facts[0].before->prompt.p_target, 0.1);
  EXPECT_EQ(patch.edit.facts[0].after->prompt.p_target, 0.9);
  ASSERT_EQ(patch.edit.solves.size(), 2U);
  EXPECT_EQ(patch.edit.solves[1].weight.block, 11);
  EXPECT_EQ(patch.edit.solves[1].rule, SolveRule::kEquality);
  EXPECT_EQ(patch.edit.solves[1].relative_ridge, 1e-5);
  EXPECT_EQ(patch.edit.statistics_fingerprint(), "fedc");
  EXPECT_EQ(patch.checks[1].value, std::nullopt);
}

TEST(Patch, HasTheSameBytesEachTime) {
  const ScratchFolder folder;
  save_patch(sample_patch(), folder / "a");
  save_patch(sample_patch(), folder / "b");
  save_patch(load_patch(folder / "a"), folder / "c");
  const std::string bytes = read_text_file(folder / "a");
  EXPECT_EQ(read_text_file(folder / "b"), bytes);
  EXPECT_EQ(read_text_file(folder / "c"), bytes);
}

TEST(Patch, SavesTensorsThatAreNotContiguous) {
  const ScratchFolder folder;
  Patch patch = sample_patch();
  patch.edit.changes[0].B = patch.edit.changes[0].B.t().contiguous().t();
  save_patch(patch, folder / "p");
  EXPECT_TRUE(at::equal(load_patch(folder / "p").edit.changes[0].B, patch.edit.changes[0].B));
}

// What load_patch refuses is not written either.
TEST(Patch, IsNeverWrittenWithPartsThatCannotBeRead) {
  const ScratchFolder folder;
  const auto refusal = [&](const std::function<void(Edit&)>& damage) -> std::string {
    Patch patch = sample_patch();
    damage(patch.edit);
    try {
      save_patch(patch, folder / "p");
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kModel);
      EXPECT_FALSE(std::filesystem::exists(folder / "p"));
      return error.what();
    }
    return "it was written";
  };
  const auto edited = [](Edit& edit) -> FactRecord& {
    return *std::find_if(edit.facts.begin(), edit.facts.end(),
                         [](const FactRecord& fact) { return fact.is_edited(); });
  };
  EXPECT_THAT(refusal([&](Edit& edit) { edited(edit).parts[0].rows = {}; }), HasSubstr("names no row"));
  EXPECT_THAT(refusal([&](Edit& edit) { edited(edit).parts[0].rows = {9}; }), HasSubstr("names row 9"));
  EXPECT_THAT(refusal([&](Edit& edit) { edited(edit).parts[0].answers = at::Tensor(); }),
              HasSubstr("without a key"));
  EXPECT_THAT(refusal([&](Edit& edit) { edited(edit).parts = {}; }), HasSubstr("no weight says where"));
  EXPECT_THAT(refusal([&](Edit& edit) { edited(edit).parts.push_back(edited(edit).parts[0]); }),
              HasSubstr("in the order of their blocks"));
}

TEST(Patch, NamesItsTensorsAsOthersReadThem) {
  const ScratchFolder folder;
  save_patch(sample_patch(), folder / "p");
  const auto file = open_safetensors(folder / "p");
  ASSERT_NE(file->find("model.layers.3.mlp_down.A"), nullptr);
  EXPECT_THAT(file->find("model.layers.3.mlp_down.A")->shape, ElementsAre(2, 6));
  EXPECT_THAT(file->find("model.layers.3.mlp_down.B")->shape, ElementsAre(4, 2));
  EXPECT_THAT(file->find("model.layers.3.mlp_down.keys")->shape, ElementsAre(2, 6));  // fact c was not edited
  EXPECT_THAT(file->find("model.layers.3.mlp_down.answers")->shape, ElementsAre(2));
  EXPECT_THAT(file->find("model.layers.3.mlp_down.residuals")->shape, ElementsAre(1, 4));
  EXPECT_EQ(file->metadata().at("emend.format"), "2");
}

TEST(Patch, IsNeverWrittenWithNumbersThatAreNotFinite) {
  const ScratchFolder folder;
  Patch patch = sample_patch();
  patch.edit.changes[1].A[0][2] = std::numeric_limits<float>::quiet_NaN();
  try {
    save_patch(patch, folder / "p");
    FAIL() << "saved";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kNumeric);
    EXPECT_THAT(error.what(), HasSubstr("model.layers.11.mlp_down.A"));
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "p"));
}

TEST(Patch, IsNeverWrittenWithSolvesThatAreNotOfItsChanges) {
  const ScratchFolder folder;
  const auto refusal = [&](const Patch& patch) -> std::string {
    try {
      save_patch(patch, folder / "p");
      return "saved";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kModel);
      EXPECT_FALSE(std::filesystem::exists(folder / "p"));
      return error.what();
    }
  };
  Patch patch = sample_patch();
  patch.edit.solves.back().weight.block = 4;
  EXPECT_THAT(refusal(patch), AllOf(HasSubstr((folder / "p").string()), HasSubstr("block 4"),
                                    HasSubstr("no change of the edit is of this weight")));
  patch = sample_patch();
  patch.edit.solves.pop_back();
  EXPECT_THAT(refusal(patch), AllOf(HasSubstr("block 11"), HasSubstr("no solve of the edit says how")));
  patch.edit.changes.back() = WeightChange::dense(patch.edit.changes.back().weight, at::ones({4, 6}));
  EXPECT_THAT(refusal(patch), HasSubstr("no solve of the edit says how"));  // it could not be read either
  patch = sample_patch();
  std::swap(patch.edit.solves[0], patch.edit.solves[1]);
  EXPECT_THAT(refusal(patch), HasSubstr("in their order"));
  patch = sample_patch();
  patch.edit.solves.push_back(patch.edit.solves.back());
  EXPECT_THAT(refusal(patch), HasSubstr("one for each change"));
}

TEST(Patch, IsNeverWrittenWithFactsThatCouldNotBeReadBack) {
  const ScratchFolder folder;
  const auto refusal = [&](const std::function<void(Edit&)>& spoil) {
    Patch patch = sample_patch();
    spoil(patch.edit);
    std::string message = test::error_of(ErrorKind::kModel, [&] { save_patch(patch, folder / "p"); });
    EXPECT_FALSE(std::filesystem::exists(folder / "p"));
    return message;
  };
  EXPECT_THAT(refusal([](Edit& edit) { edit.facts[2].request.id = "a"; }),
              AllOf(HasSubstr((folder / "p").string()), HasSubstr("have the id \"a\"")));
  EXPECT_THAT(refusal([](Edit& edit) { edit.facts[1].status = FactStatus::kFailed; }),
              AllOf(HasSubstr("block 11"), HasSubstr("no fact of the edit was edited there")));
  EXPECT_THAT(refusal([](Edit& edit) { edit.facts[1].parts[0].weight.block = 12; }),
              AllOf(HasSubstr("\"b\""), HasSubstr("block 12")));
  EXPECT_THAT(refusal([](Edit& edit) {
                edit.changes.clear();
                edit.solves.clear();
              }),
              HasSubstr("changes nothing"));
}

TEST(Patch, FitsItsBaseOnly) {
  ModelConfig config;
  config.family = "gpt2";
  config.layers = 12;
  config.d_model = 4;
  config.d_ff = 6;
  config.heads = config.kv_heads = 1;
  config.head_dim = 4;
  config.vocab = 12;
  config.max_positions = 8;
  const Model model = Model::make_random(config, 0, {});
  Patch patch = sample_patch();
  patch.edit.base_fingerprint = model.fingerprint();
  EXPECT_NO_THROW(require_base(patch, model, "p"));
  const std::vector<std::pair<std::string, std::function<void(Patch&)>>> strange_ids = {
      {"emend.prefix", [](Patch& p) { p.prefix = {12}; }},
      {"contexts.ids",
       [](Patch& p) {
         p.edit.context_ids[2] = {1, 99};
       }},
      {"held_text.ids", [](Patch& p) { p.held_text[1] = {1 << 20}; }}};
  for (const auto& [key, spoil] : strange_ids) {
    Patch strange = patch;
    spoil(strange);
    try {
      require_base(strange, model, "p");
      FAIL() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kFormat);
      EXPECT_THAT(error.what(), HasSubstr(key));
    }
  }
  for (const auto& spoil :
       std::vector<std::function<void(Patch&)>>{[](Patch& p) { p.edit.changes[1].weight.block = 12; },
                                                [](Patch& p) {
                                                  p.edit.changes[1].A = at::ones({1, 7});
                                                },
                                                [](Patch& p) {
                                                  p.edit.changes[1].B = at::ones({5, 1});
                                                }}) {
    Patch strange = patch;
    spoil(strange);
    EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { require_base(strange, model, "p"); }),
                HasSubstr("does not fit a model of 12 blocks with 4 x 6"));
  }
  const Model other = Model::make_random(config, 1, {});
  try {
    require_base(patch, other, "p.safetensors");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kModel);
    EXPECT_THAT(error.what(), HasSubstr("p.safetensors"));
    EXPECT_THAT(error.what(), HasSubstr(model.fingerprint()));
    EXPECT_THAT(error.what(), HasSubstr(other.fingerprint()));
  }
}

}  // namespace
}  // namespace emend
