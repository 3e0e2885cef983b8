// A model that reads its blocks when a pass comes to them is the model that is loaded whole, bit for bit:
// every family, passes, gradients, edits, digests. And it holds no more than it was allowed.
#include "model/block_reader.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>

#include "base/expect_error.h"
#include "emend/edit.h"
#include "emend/edit_stack.h"
#include "model/kept_blocks.h"
#include "support/family_models.h"
#include "support/model_files.h"
#include "support/tensor_memory.h"
#include "support/tiny_models.h"

namespace emend {
namespace {

using test::index_of;

WeightSizes sizes_of(const Model& model) {
  return weight_sizes(model.config(), model.options());
}

Model load_within(const std::filesystem::path& path, std::int64_t weight_bytes,
                  ComputeType type = ComputeType::kFloat32) {
  ModelOptions options;
  options.weight_bytes = weight_bytes;
  options.dtype = type;
  return Model::load(path, options);
}

WeightChange some_change(const ModelConfig& config, int block) {
  const at::Tensor a = at::sin(at::arange(2 * config.d_ff, at::kFloat)).view({2, config.d_ff});
  const at::Tensor b = at::cos(at::arange(2 * config.d_model, at::kFloat) * 0.7).view({config.d_model, 2});
  return WeightChange::low_rank({block, Role::kMlpDown}, 0.2 * a, 0.3 * b);
}

at::Tensor logits_of(const Model& model) {
  const c10::NoGradGuard no_grad;
  PassInput input;
  input.ids = {test::some_ids(9, 64, 5), test::some_ids(5, 64, 6)};
  input.logit_tokens = {0, 8, 13};
  return model.forward(input).logits;
}

// Of a loss with respect to a vector that is added in block 0.
at::Tensor gradient_of(const Model& model) {
  const at::AutoGradMode with_grad(true);
  const std::int64_t width = model.config().d_model;
  const at::Tensor added = (0.3 * at::sin(at::arange(width, at::kFloat))).view({1, width});
  const at::Tensor start = added.to(model.options().dtype()).set_requires_grad(true);
  PassInput input;
  input.ids = {test::some_ids(9, 64, 5)};
  input.interventions = {{Site::kMlpOutput, 0, Intervention::Kind::kAdd, index_of({3}), start}};
  input.logit_tokens = {8};
  const at::Tensor loss = -at::log_softmax(model.forward(input).logits, 1)[0][17];
  return torch::autograd::grad({loss}, {start})[0];
}

void expect_same(const Model& whole, const Model& within) {
  EXPECT_TRUE(at::equal(logits_of(within), logits_of(whole)));
  const at::Tensor gradient = gradient_of(whole);
  EXPECT_GT(gradient.norm().item<double>(), 0);
  EXPECT_TRUE(at::equal(gradient_of(within), gradient));
}

class BlocksReadAgain : public ::testing::TestWithParam<std::string> {
 protected:
  BlocksReadAgain() : checkpoint_(GetParam()), whole_(checkpoint_.load()) {}

  Model least() const { return load_within(checkpoint_.path(), sizes_of(whole_).least); }

  test::FamilyCheckpoint checkpoint_;
  Model whole_;
};
INSTANTIATE_TEST_SUITE_P(Checkpoints, BlocksReadAgain, ::testing::ValuesIn(test::family_checkpoints()),
                         [](const auto& one) { return one.param; });

TEST_P(BlocksReadAgain, GiveTheSamePassesAndGradients) {
  const Model within = least();
  EXPECT_EQ(within.first_kept_block(), whole_.config().layers);
  EXPECT_EQ(whole_.first_kept_block(), 0);
  expect_same(whole_, within);
  expect_same(whole_, within.share());
}

TEST_P(BlocksReadAgain, GiveTheSameDigests) {
  const Model within = least();
  EXPECT_EQ(within.fingerprint(), whole_.fingerprint());
  EXPECT_EQ(within.key_fingerprint(1), whole_.key_fingerprint(1));
  EXPECT_EQ(within.weights_digest(), whole_.weights_digest());
  EXPECT_EQ(within.bytes(), whole_.bytes());
}

TEST_P(BlocksReadAgain, TakeAnEditAndGiveItBack) {
  Model within = least();
  const std::vector<WeightChange> changes = {some_change(whole_.config(), 0),
                                             some_change(whole_.config(), whole_.config().layers - 1)};
  const at::Tensor before = logits_of(whole_);
  {
    const ScopedEdit one(whole_, changes), other(within, changes);
    EXPECT_FALSE(at::equal(logits_of(whole_), before));
    expect_same(whole_, within);
    EXPECT_EQ(within.weights_digest(), whole_.weights_digest());
  }
  EXPECT_TRUE(at::equal(logits_of(within), before));
  EXPECT_TRUE(within.weights().blocks[0].mlp_down.is_meta()) << "nothing stays in memory";
  {
    EditStack stack(within);
    stack.push(changes);
    EXPECT_FALSE(at::equal(logits_of(within), before));
  }
  EXPECT_TRUE(at::equal(logits_of(within), before));
}

TEST_P(BlocksReadAgain, WorkInBfloat16) {
  ModelOptions narrow;
  narrow.dtype = ComputeType::kBfloat16;
  const Model whole = Model::load(checkpoint_.path(), narrow);
  expect_same(whole, load_within(checkpoint_.path(), sizes_of(whole).least, ComputeType::kBfloat16));
}

TEST_P(BlocksReadAgain, TheHighestStayWhereThereIsRoom) {
  const WeightSizes sizes = sizes_of(whole_);
  const Model within = load_within(checkpoint_.path(), sizes.all - 1);
  const int first = within.first_kept_block();
  EXPECT_GT(first, 0);
  EXPECT_EQ(within.weights().blocks.front().qkv.is_meta(), true);
  if (first < whole_.config().layers) {
    EXPECT_FALSE(within.weights().blocks.back().qkv.is_meta());
  }
  expect_same(whole_, within);
  EXPECT_EQ(load_within(checkpoint_.path(), sizes.all).first_kept_block(), 0);
}

TEST_P(BlocksReadAgain, RefuseLessThanTheLeast) {
  EXPECT_THAT(test::error_of(ErrorKind::kConfig,
                             [&] { load_within(checkpoint_.path(), sizes_of(whole_).least - 1); }),
              testing::HasSubstr("largest block take"));
}

TEST_P(BlocksReadAgain, OfGgufFilesToo) {
  if (!checkpoint_.has_gguf()) GTEST_SKIP() << "there is no GGUF of it";
  const Model whole = Model::load(checkpoint_.gguf());
  expect_same(whole, load_within(checkpoint_.gguf(), sizes_of(whole).least));
}

TEST(BlockReader, AMatrixStaysAsItIsWhileItIsHeld) {
  const std::string path = test::data_path("world/llama");
  const Model whole = Model::load(path), within = load_within(path, sizes_of(whole).least);
  const Model& reading = within;
  const at::Tensor held = reading.weight({0, Role::kMlpDown});
  logits_of(within);
  EXPECT_TRUE(at::equal(held, whole.weight({0, Role::kMlpDown})));
  EXPECT_TRUE(at::equal(reading.weight({1, Role::kMlpDown}), whole.weight({1, Role::kMlpDown})));
  EXPECT_TRUE(at::equal(held, whole.weight({0, Role::kMlpDown})));
}

TEST(BlockReader, HoldsNoMoreThanItWasAllowed) {
  for (const char* const shape : {"gpt2", "llama"}) {
    const std::string path = test::data_path("world/") + shape;
    const Model whole = Model::load(path);
    const WeightSizes sizes = sizes_of(whole);
    ASSERT_LT(sizes.least, 0.7 * static_cast<double>(sizes.all));
    std::int64_t whole_pass = 0;
    {
      const test::TensorMemory memory;
      gradient_of(whole);
      whole_pass = memory.peak();
    }
    for (const std::int64_t limit : {sizes.least, (sizes.least + sizes.all) / 2}) {
      const test::TensorMemory memory;
      std::optional<Model> within = load_within(path, limit);
      EXPECT_LE(memory.held(), limit);
      const std::int64_t loading = memory.peak();
      gradient_of(*within);
      EXPECT_LE(memory.peak(), loading + whole_pass) << shape;
      EXPECT_LE(memory.held(), limit);
      within.reset();
      EXPECT_EQ(memory.held(), 0);
    }
  }
}

TEST(BlockReader, RefusesADamagedBlockAtLoading) {
  test::FamilyCheckpoint checkpoint("qwen3_a");
  const Model whole = checkpoint.load();
  const auto file = open_safetensors(checkpoint.path() / "model.safetensors");
  const std::string name = "model.layers.1.mlp.down_proj.weight";
  const TensorInfo* const tensor = file->find(name);
  ASSERT_NE(tensor, nullptr);
  const float bad = std::numeric_limits<float>::infinity();
  {
    std::fstream out(checkpoint.path() / "model.safetensors",
                     std::ios::in | std::ios::out | std::ios::binary);
    out.seekp(static_cast<std::streamoff>(tensor->offset));
    out.write(reinterpret_cast<const char*>(&bad), sizeof(bad));
  }
  EXPECT_THAT(
      test::error_of(ErrorKind::kModel, [&] { load_within(checkpoint.path(), sizes_of(whole).least); }),
      testing::HasSubstr(name));
}

}  // namespace
}  // namespace emend
