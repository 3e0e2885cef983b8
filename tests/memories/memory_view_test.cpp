// The memory view of every family's tiny checkpoint against what its forward pass really does.
#include "emend/memory_view.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "base/expect_error.h"
#include "model/layers.h"
#include "support/family_models.h"
#include "support/tiny_models.h"

namespace emend {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// What a pass over one row shows of a layer.
struct Seen {
  at::Tensor entering, attention, key, value, leaving;  // [N, D], key [N, F]
};

Seen look(const Model& model, int layer) {
  const c10::NoGradGuard no_grad;
  PassInput input;
  input.ids = {test::some_ids(9, std::min<std::int64_t>(60, model.config().vocab), 5)};
  const Site entering = layer == 0 ? Site::kEmbedding : Site::kBlockOutput;
  input.recordings = {{entering, layer == 0 ? 0 : layer - 1, {}},
                      {Site::kAttentionOutput, layer, {}},
                      {Site::kKey, layer, {}},
                      {Site::kMlpOutput, layer, {}},
                      {Site::kBlockOutput, layer, {}}};
  input.stop = PassInput::Stop::kBlock;
  input.stop_block = layer;
  const auto seen = model.forward(input).recorded;
  return {seen[0], seen[1], seen[2], seen[3], seen[4]};
}

const BlockWeights& block_of(const Model& model, int layer) {
  return model.weights().blocks[static_cast<std::size_t>(layer)];
}

// The largest gap over the largest element.
double relative_gap(const at::Tensor& found, const at::Tensor& wanted) {
  return ((found - wanted).abs().max() / wanted.abs().max()).item<double>();
}

at::Tensor activated(const at::Tensor& scores, const FfnView& view) {
  BlockSpec plain = view.spec();
  plain.gated_mlp = false;
  return mlp_key({scores, {}}, plain);
}

class EveryFamily : public ::testing::TestWithParam<std::string> {
 protected:
  EveryFamily() : model_(Model::load(test::data_path("families/" + GetParam()))) {
    test::make_norms_steep(model_);
  }
  Model model_;
};

TEST_P(EveryFamily, CoefficientsTimesValuesAreTheOutput) {
  for (int layer = 0; layer < model_.config().layers; ++layer) {
    const FfnView view(model_, layer);
    const Seen seen = look(model_, layer);
    const at::Tensor sum = at::matmul(seen.key, view.values()) + view.output_bias();
    EXPECT_LT(relative_gap(sum, seen.value), 1e-5) << layer;
  }
}

TEST_P(EveryFamily, ArrivingValuesAreWhatTheStreamReceives) {
  for (int layer = 0; layer < model_.config().layers; ++layer) {
    const FfnView view(model_, layer);
    const Seen seen = look(model_, layer);
    const at::Tensor behind_attention =
        seen.entering + attention_contribution(seen.attention, block_of(model_, layer), view.spec());
    const at::Tensor sum =
        (at::matmul(seen.key, view.values(ValueSide::kArriving)) + view.output_bias(ValueSide::kArriving)) /
            view.output_size(seen.value) +
        view.arriving_offset();
    EXPECT_LT(relative_gap(behind_attention + sum, seen.leaving), 1e-5) << layer;
  }
}

TEST_P(EveryFamily, FoldedKeysGiveTheCoefficients) {
  for (int layer = 0; layer < model_.config().layers; ++layer) {
    const FfnView view(model_, layer);
    const Seen seen = look(model_, layer);
    const at::Tensor stream =
        view.spec().parallel
            ? seen.entering
            : seen.entering + attention_contribution(seen.attention, block_of(model_, layer), view.spec());
    const auto scores = [&](const FoldedKeys& keys) {
      return at::matmul(stream, keys.rows.t()) / view.input_size(stream) + keys.bias;
    };
    const at::Tensor ups = scores(view.folded_keys());
    const at::Tensor found =
        view.is_gated() ? activated(scores(view.folded_gates()), view) * ups : activated(ups, view);
    EXPECT_LT(relative_gap(found, seen.key), 1e-5) << layer;
    const CellScores one = view.scores(3, stream[2]);
    EXPECT_EQ(one.gate.has_value(), view.is_gated());
    const double scale = ups.abs().max().item<double>();
    EXPECT_NEAR(one.up, ups[2][3].item<double>(), 1e-5 * scale) << layer;
  }
}

TEST_P(EveryFamily, OneCellIsARowOfAll) {
  const FfnView view(model_, 0);
  const at::Tensor q = at::sin(at::arange(model_.config().d_model, at::kFloat));
  const at::Tensor arriving = view.values(ValueSide::kArriving);
  EXPECT_TRUE(at::equal(view.value(5), view.values()[5]));
  EXPECT_TRUE(at::allclose(view.value(5, ValueSide::kArriving), arriving[5]));
  EXPECT_LT(relative_gap(at::mv(view.values(), view.pulled_back(q)), at::mv(arriving, q)), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, EveryFamily, ::testing::ValuesIn(test::family_checkpoints()),
                         [](const auto& one) { return one.param; });

// The checkpoints above hold what this view treats apart.
TEST(MemoryView, TheCheckpointsHaveAllKindsOfLayers) {
  std::set<std::string> kinds;
  for (const std::string& name : test::family_checkpoints()) {
    const Model model = Model::describe(test::data_path("families/" + name));
    const BlockSpec& spec = model.config().spec(0);
    kinds.insert(spec.gated_mlp ? "gated" : "plain");
    if (spec.mlp_bias) kinds.insert("bias");
    if (spec.parallel) kinds.insert(spec.mlp_norm ? "parallel" : "parallel, shared norm");
    if (spec.mlp_post_norm) kinds.insert(spec.mlp_norm ? "sandwich" : "norm behind only");
    if (spec.residual_multiplier != 1) kinds.insert("multiplier");
    kinds.insert(spec.norm == NormKind::kLayerNorm ? "LayerNorm" : "RMSNorm");
  }
  EXPECT_THAT(kinds,
              testing::ElementsAre("LayerNorm", "RMSNorm", "bias", "gated", "multiplier", "norm behind only",
                                   "parallel", "parallel, shared norm", "plain", "sandwich"));
}

// d 2, two cells, by hand: LayerNorm gain (2, 1), bias (1, 0); key (3, 1) with bias 0.5.
TEST(MemoryView, FoldsALayerNormByHand) {
  const c10::NoGradGuard no_grad;
  ModelConfig config = test::tiny_config("gpt2", 1);
  config.d_model = 2;
  config.d_ff = 2;
  config.heads = config.kv_heads = 1;
  config.head_dim = 2;
  const Model model = Model::make_random(config, 1, {});
  const BlockWeights& block = model.weights().blocks[0];
  block.mlp_norm.copy_(at::tensor({2.0F, 1.0F}));
  block.mlp_norm_bias.copy_(at::tensor({1.0F, 0.0F}));
  block.mlp_in.copy_(at::tensor({3.0F, 1.0F, 0.0F, 0.0F}).view({2, 2}));
  block.mlp_in_bias.copy_(at::tensor({0.5F, 0.0F}));
  block.mlp_down.copy_(at::tensor({1.0F, 2.0F, 3.0F, 4.0F}).view({2, 2}));
  const FfnView view(model, 0);
  const FoldedKeys folded = view.folded_keys();
  // gamma * k = (6, 1), its mean 3.5 off: (2.5, -2.5); bias 0.5 + (1, 0) (3, 1) = 3.5.
  EXPECT_TRUE(test::near(folded.rows[0], at::tensor({2.5F, -2.5F}), 1e-6));
  EXPECT_NEAR(folded.bias[0].item<double>(), 3.5, 1e-6);
  // The down projection is stored [out, in]: the value of a cell is a column.
  EXPECT_TRUE(test::near(view.values()[0], at::tensor({1.0F, 3.0F}), 0));
  EXPECT_TRUE(test::near(view.values()[1], at::tensor({2.0F, 4.0F}), 0));
  EXPECT_NEAR(view.value_norms(ValueSide::kProduced)[1].item<double>(), std::sqrt(20.0), 1e-5);
}

TEST(MemoryView, RefusesLayersAndGatesThatAreNotThere) {
  const Model model = test::tiny_model("gpt2", 2);
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { FfnView(model, 2); }), HasSubstr("0 to 1"));
  EXPECT_THAT(test::error_of(ErrorKind::kModel, [&] { FfnView(model, 1).gates(); }),
              AllOf(HasSubstr("layer 1"), HasSubstr("no gates")));
}

}  // namespace
}  // namespace emend
