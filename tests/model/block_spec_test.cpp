// Every choice of a block against the plain forward pass: from the first token, behind a cache, with and
// without gradients, and the gradient itself against finite differences.
#include <gmock/gmock.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "base/expect_error.h"
#include "model/spec_text.h"
#include "model/value_path.h"
#include "pass_fixture.h"
#include "plain_model.h"

namespace emend {
namespace {

struct Choice {
  std::string name;
  std::function<void(ModelConfig&)> choose;
  std::string base = "llama";
};

std::vector<Choice> choices() {
  return {
      {"PlainLlama", [](ModelConfig&) {}},
      {"QkNormOfEachHead", [](ModelConfig& c) { c.block.qk_norm = QkNorm::kPerHead; }},
      {"QkNormOfTheFullWidth", [](ModelConfig& c) { c.block.qk_norm = QkNorm::kFullWidth; }},
      {"QkLayerNormWithBias", [](ModelConfig& c) { c.block.qk_norm = QkNorm::kPerHead; }, "gpt2"},
      {"Window", [](ModelConfig& c) { c.block.window = 3; }},
      {"WindowOfSomeLayersAndTwoBases",
       [](ModelConfig& c) {
         c.rotary.push_back({RotaryPairs::kHalfSplit, rotary_frequencies(c.head_dim, 20.0)});
         c.blocks.assign(static_cast<std::size_t>(c.layers), c.block);
         c.blocks[1].window = 4;
         c.blocks[1].rotary = 1;
       }},
      {"LayersThatTurnNothing",
       [](ModelConfig& c) {
         c.blocks.assign(static_cast<std::size_t>(c.layers), c.block);
         c.blocks[2].rotary = kNoRotary;
       }},
      {"PartOfEachHeadTurns",
       [](ModelConfig& c) {
         c.rotary = {{RotaryPairs::kHalfSplit, rotary_frequencies(4, 10000.0)}};
       }},
      {"AmplitudeOfRotation", [](ModelConfig& c) { c.rotary[0].amplitude = 1.2; }},
      {"SoftCap", [](ModelConfig& c) { c.block.attention_soft_cap = 0.5; }},
      {"AttentionScale", [](ModelConfig& c) { c.block.attention_scale = 0.9; }},
      {"Alibi",
       [](ModelConfig& c) {
         c.block.alibi = true;
         c.learned_positions = false;
       },
       "gpt2"},
      {"AlibiOfGroupedHeads",
       [](ModelConfig& c) {
         c.block.alibi = true;
         c.rotary.clear();
       }},
      {"NormsBehindBothHalves",
       [](ModelConfig& c) { c.block.attention_post_norm = c.block.mlp_post_norm = true; }},
      {"NormsBehindOnly",
       [](ModelConfig& c) {
         c.block.attention_norm = c.block.mlp_norm = false;
         c.block.attention_post_norm = c.block.mlp_post_norm = true;
       }},
      {"ParallelWithANormOfItsOwn", [](ModelConfig& c) { c.block.parallel = true; }, "gpt2"},
      {"ResidualMultiplier", [](ModelConfig& c) { c.block.residual_multiplier = 0.4; }},
      {"EmbeddingAndLogitMultipliers",
       [](ModelConfig& c) {
         c.embedding_multiplier = 3;
         c.logit_multiplier = 0.25;
       }},
      {"LogitSoftCap", [](ModelConfig& c) { c.logit_soft_cap = 2; }},
      {"PositionOffset", [](ModelConfig& c) { c.position_offset = 2; }, "gpt2"},
      {"QuickGelu", [](ModelConfig& c) { c.block.activation = ActivationKind::kQuickGelu; }, "gpt2"},
      {"Gemma2AndMore",
       [](ModelConfig& c) {
         c.block.attention_post_norm = c.block.mlp_post_norm = true;
         c.block.qk_norm = QkNorm::kPerHead;
         c.block.attention_soft_cap = 2;
         c.block.residual_multiplier = 0.7;
         c.blocks.assign(static_cast<std::size_t>(c.layers), c.block);
         c.blocks[0].window = c.blocks[2].window = 3;
         c.logit_soft_cap = 5;
       }},
  };
}

// Norm factors of 1 would hide a norm that is left out or put at another place.
void vary_norms(const Model& model) {
  double phase = 0;
  for (const BlockWeights& b : model.weights().blocks)
    for (at::Tensor norm : {b.attention_norm, b.query_norm, b.key_norm, b.attention_post_norm, b.mlp_norm,
                            b.mlp_post_norm, b.query_norm_bias, b.key_norm_bias})
      if (norm.defined()) norm.add_(0.5 * at::sin(at::arange(norm.numel(), at::kFloat) * 2.1 + ++phase));
}

Model chosen(const Choice& choice) {
  const c10::NoGradGuard no_grad;
  ModelConfig config = test::tiny_config(choice.base, 3);
  choice.choose(config);
  Model model = test::tiny_model(config);
  vary_norms(model);
  return model;
}

class BlockChoice : public ::testing::TestWithParam<Choice> {
 protected:
  BlockChoice() : model_(chosen(GetParam())), plain_(model_), ids_(test::some_ids(9, 96, 7)) {}

  // What two ways of computing this model's logits may differ by.
  double tolerance() const { return 1e-4; }

  PassInput whole_row() const {
    PassInput input;
    input.ids = {ids_};
    input.logit_tokens = test::counting(0, static_cast<std::int64_t>(ids_.size()));
    return input;
  }

  Model model_;
  test::PlainModel plain_;
  TokenIds ids_;
};

TEST_P(BlockChoice, FromTheFirstTokenLogitsAreThePlainOnes) {
  EXPECT_TRUE(test::near(test::plain_logits(model_, ids_).to(at::kDouble), plain_.logits(ids_), tolerance()));
}

TEST_P(BlockChoice, RowsOfOtherLengthsBesideItChangeNothing) {
  const c10::NoGradGuard no_grad;
  PassInput input = whole_row();
  input.ids.push_back(test::some_ids(17, 96, 8));
  input.ids.push_back(test::some_ids(4, 96, 9));
  EXPECT_TRUE(test::near(model_.forward(input).logits.to(at::kDouble), plain_.logits(ids_), tolerance()));
}

TEST_P(BlockChoice, PassesThatTakeGradientsSeeTheSame) {
  const at::AutoGradMode on(true);
  const at::Tensor logits = model_.forward(whole_row()).logits.detach();
  EXPECT_TRUE(test::near(logits.to(at::kDouble), plain_.logits(ids_), tolerance()));
}

TEST_P(BlockChoice, BehindACacheLogitsAreThePlainOnes) {
  const c10::NoGradGuard no_grad;
  KvCache cache(model_.config(), 0, 1, 16, model_.options());
  PassInput first;
  first.ids = {TokenIds(ids_.begin(), ids_.begin() + 5)};
  first.cache = &cache;
  first.append = true;
  first.stop = PassInput::Stop::kBlock;
  first.stop_block = model_.config().layers - 1;
  model_.forward(first);
  PassInput rest;
  rest.ids = {TokenIds(ids_.begin() + 5, ids_.end())};
  rest.cache = &cache;
  rest.logit_tokens = test::counting(0, 4);
  const at::Tensor wanted = plain_.logits(ids_).narrow(0, 5, 4);
  EXPECT_TRUE(test::near(model_.forward(rest).logits.to(at::kDouble), wanted, tolerance()));
  rest.append = true;
  EXPECT_TRUE(test::near(model_.forward(rest).logits.to(at::kDouble), wanted, tolerance()));
}

TEST_P(BlockChoice, WhatIsAddedToAValueIsAddedToWhatWProduces) {
  const c10::NoGradGuard no_grad;
  const at::Tensor added = test::numbers({9, 32}, 0.3);
  PassInput input = whole_row();
  input.interventions = {
      {Site::kMlpOutput, 1, Intervention::Kind::kAdd, test::index_of(test::counting(0, 9)), added}};
  EXPECT_TRUE(
      test::near(model_.forward(input).logits.to(at::kDouble), plain_.logits(ids_, 1, added), tolerance()));
}

// d(sum of some logits) / d(value of block 1 at token 3), in a direction.
TEST_P(BlockChoice, GradientOfAValueIsThatOfFiniteDifferences) {
  const at::Tensor direction = test::numbers({1, 32}, 1.0, 0.4);
  at::Tensor gradient;
  {
    const at::AutoGradMode on(true);
    const at::Tensor added = at::zeros({1, 32}).requires_grad_(true);
    PassInput input = whole_row();
    input.interventions = {{Site::kMlpOutput, 1, Intervention::Kind::kAdd, test::index_of({3}), added}};
    const at::Tensor loss = at::log_softmax(model_.forward(input).logits, 1).select(1, 5).sum();
    gradient = torch::autograd::grad({loss}, {added})[0];
  }
  const c10::NoGradGuard no_grad;
  const auto loss_at = [&](double step) {
    at::Tensor added = at::zeros({9, 32}, at::kDouble);
    added.select(0, 3).copy_(direction[0] * step);
    return at::log_softmax(plain_.logits(ids_, 1, added), 1).select(1, 5).sum().item<double>();
  };
  constexpr double kStep = 1e-5;
  const double slope = (loss_at(kStep) - loss_at(-kStep)) / (2 * kStep);
  EXPECT_NEAR((gradient * direction).sum().item<double>(), slope, 1e-3 * std::max(1.0, std::abs(slope)));
}

TEST_P(BlockChoice, ValuePathIsWhatTheStreamReceives) {
  const c10::NoGradGuard no_grad;
  const ValuePath path(model_, 1);
  const at::Tensor value = test::plain_vectors(model_, ids_, Site::kMlpOutput, 1);
  const at::Tensor added = test::numbers({9, 32}, 0.2);
  PassInput input = whole_row();
  input.interventions = {
      {Site::kMlpOutput, 1, Intervention::Kind::kAdd, test::index_of(test::counting(0, 9)), added}};
  input.recordings = {{Site::kBlockOutput, 1, {}}};
  const at::Tensor before = test::plain_vectors(model_, ids_, Site::kBlockOutput, 1);
  const at::Tensor after = model_.forward(input).recorded[0];
  EXPECT_TRUE(test::near(after - before, path.arrived(value + added) - path.arrived(value), 1e-4));
  EXPECT_EQ(path.is_direct(),
            !model_.config().block.mlp_post_norm && model_.config().block.residual_multiplier == 1);
  const at::Tensor small = 1e-3 * added;
  const at::Tensor arrived =
      (path.arrived((value + small).to(at::kDouble)) - path.arrived(value.to(at::kDouble))).norm(2, 1);
  EXPECT_TRUE((arrived <= path.gain(value.to(at::kDouble)) * small.to(at::kDouble).norm(2, 1) * 1.01 + 1e-9)
                  .all()
                  .item<bool>());
}

INSTANTIATE_TEST_SUITE_P(Choices, BlockChoice, ::testing::ValuesIn(choices()),
                         [](const auto& choice) { return choice.param.name; });

TEST(BlockSpecText, PlainModelsHaveNoFurtherChoices) {
  for (const std::string family : {"gpt2", "gptj", "llama"})
    EXPECT_THAT(further_choices(test::tiny_config(family)), ::testing::IsEmpty()) << family;
}

TEST(BlockSpecText, ModelsThatComputeSomethingElseHaveOtherFingerprints) {
  std::set<std::string> seen;
  for (const Choice& choice : choices())
    EXPECT_TRUE(seen.insert(chosen(choice).fingerprint()).second) << choice.name;
}

TEST(BlockSpecText, SaysWhatABlockDoes) {
  BlockSpec spec;
  spec.window = 512;
  spec.mlp_post_norm = true;
  EXPECT_EQ(block_choices(spec), (std::vector<std::string>{"window 512", "norm behind the MLP"}));
}

TEST(LongRows, ThatGrowPastTheChangeAreRefused) {
  ModelConfig config = test::tiny_config("llama", 2);
  config.rotary[0].long_from = 6;
  config.rotary[0].long_frequencies = rotary_frequencies(config.head_dim, 50.0);
  const Model model = test::tiny_model(config);
  EXPECT_NO_THROW(test::plain_logits(model, test::some_ids(9, 96, 1)));
  KvCache cache(config, 0, 1, 16, model.options());
  cache.lengths = {5};
  PassInput rest;
  rest.ids = {test::some_ids(4, 96, 2)};
  rest.cache = &cache;
  rest.logit_tokens = {3};
  EXPECT_THAT(test::error_of(ErrorKind::kModel, [&] { model.forward(rest); }), ::testing::HasSubstr("6"));
}

}  // namespace
}  // namespace emend
