// A patch of every checkpoint of tests/data/families: applied, reverted, and as adapters, in safetensors and
// GGUF.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "emend/adapter.h"
#include "emend/write_back.h"
#include "support/family_models.h"
#include "support/tiny_models.h"
#include "tests/delivery/tiny_edit.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using test::near;

const RoleEntry& down_projection(const Model& model, int block) {
  for (const RoleEntry& entry : model.roles())
    if (entry.role == Role::kMlpDown && entry.block == block) return entry;
  throw std::runtime_error("no down projection");
}

// As stored: [F, D] for Conv1D, else [D, F].
at::Tensor stored(const fs::path& checkpoint, const std::string& tensor) {
  return test::read_tensor(*open_checkpoint(checkpoint), tensor);
}

class FamilyDelivery : public ::testing::TestWithParam<std::string> {
 protected:
  FamilyDelivery() : checkpoint_(GetParam()) {}

  // All checkpoints of these weights: the folder, and the GGUF file in one of its own.
  std::vector<fs::path> bases() const {
    std::vector<fs::path> all = {checkpoint_.path()};
    if (checkpoint_.has_gguf()) {
      fs::create_directory(folder_ / "gguf");
      fs::copy_file(checkpoint_.gguf(), folder_ / "gguf/model.gguf");
      all.push_back(folder_ / "gguf/model.gguf");
    }
    return all;
  }
  static fs::path weights(const fs::path& base) {
    return base.extension() == ".gguf" ? base : base / "model.safetensors";
  }

  test::FamilyCheckpoint checkpoint_;
  test::TempFolder folder_;
};

TEST_P(FamilyDelivery, WhatIsWrittenIsTheEditedModelAndARevertGivesTheBytesBack) {
  for (const fs::path& base : bases()) {
    SCOPED_TRACE(base.string());
    const std::string bytes = test::read_all(weights(base));
    Model model = test::load_quietly(base);
    const int last = model.config().layers - 1;
    const Patch patch = test::tiny_patch(model, last, 2, 1);
    save_patch(patch, folder_ / "edit.safetensors");
    const std::vector<Patch> loaded = {load_patch(folder_ / "edit.safetensors")};
    const WritePlan plan = plan_write(model, loaded, "own");
    const fs::path undo = write_in_place(plan);
    EXPECT_NE(test::read_all(weights(base)), bytes);
    {
      const Model written = test::load_quietly(base);
      const TokenIds ids = test::counting(2, 20);
      const ScopedEdit scope(model, patch.edit.changes);
      for (int l = 0; l <= last; ++l)
        EXPECT_TRUE(at::equal(written.weight({l, Role::kMlpDown}), model.weight({l, Role::kMlpDown}))) << l;
      EXPECT_TRUE(at::equal(test::plain_logits(written, ids), test::plain_logits(model, ids)));
    }
    revert(base, undo);
    EXPECT_EQ(test::read_all(weights(base)), bytes);
  }
}

// What an adapter's two factors give, added to the stored tensor of its module as PEFT and llama.cpp add it,
// is the tensor that apply writes.
void expect_factors(const AdapterModule& module, const at::Tensor& before, const at::Tensor& after,
                    bool fan_in_fan_out) {
  const at::Tensor product = at::matmul(module.B, module.A);
  EXPECT_TRUE(near(before + (fan_in_fan_out ? product.t() : product), after, 1e-6));
  EXPECT_FALSE(at::equal(before, after));
}

TEST_P(FamilyDelivery, AdaptersMultipliedOutAreTheWrittenWeights) {
  for (const fs::path& base : bases()) {
    SCOPED_TRACE(base.string());
    const bool gguf = base.extension() == ".gguf";
    const Model model = test::load_quietly(base);
    const std::vector<Patch> patches = {test::tiny_patch(model, 1, 3, 1)};
    const RoleEntry& entry = down_projection(model, 1);
    const fs::path written = write_new(plan_write(model, patches, "own"), folder_ / (gguf ? "w.gguf" : "w"));
    const at::Tensor before = stored(base, entry.tensor), after = stored(written, entry.tensor);
    AdapterOptions options;
    options.out = folder_ / (gguf ? "a.gguf" : "a");
    options.format = gguf ? AdapterFormat::kGguf : AdapterFormat::kPeft;
    EXPECT_TRUE(export_adapter(model, patches, options).exact);
    const auto modules = gguf ? gguf_modules(model, patches) : peft_modules(model, patches);
    ASSERT_EQ(modules.size(), 1u);
    if (gguf) {
      EXPECT_EQ(modules[0].name, entry.tensor);
      expect_factors(modules[0], before, after, false);
      continue;
    }
    const auto config = nlohmann::json::parse(test::read_all(options.out / "adapter_config.json"));
    expect_factors(modules[0], before, after, config.at("fan_in_fan_out").get<bool>());
    EXPECT_EQ(config.at("fan_in_fan_out").get<bool>(), entry.stored_transposed);
    // Files may leave out the first parts of a module's path in the model class; never its last ones.
    const std::string name = modules[0].name + ".weight";
    EXPECT_EQ(name.substr(name.rfind(".1.")), entry.tensor.substr(entry.tensor.rfind(".1.")));
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, FamilyDelivery, ::testing::ValuesIn(test::family_checkpoints()),
                         [](const auto& one) { return one.param; });

}  // namespace
}  // namespace emend
