// Knowledge neurons, damage, and models in another order: against the plain way, and by what must hold.
#include "emend/memory_knowledge.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/expect_error.h"
#include "emend/memory_layers.h"
#include "memories/changed_runs.h"
#include "memories/layer_runs.h"
#include "memories/prompt_words.h"
#include "reports/knowledge_report.h"
#include "support/tiny_models.h"
#include "support/world.h"

namespace emend {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

const std::vector<std::string> kShapes = {"gpt2", "gptj", "llama", "gemma2"};

// Log probabilities at the end of one row, from its beginning, with interventions.
at::Tensor plain_end(const Model& model, const TokenIds& ids, const std::vector<Intervention>& changes) {
  const c10::NoGradGuard no_grad;
  PassInput input;
  input.ids = {ids};
  input.logit_tokens = {static_cast<std::int64_t>(ids.size()) - 1};
  input.interventions = changes;
  return at::log_softmax(model.forward(input).logits[0].to(at::kDouble), 0);
}

Intervention times(const Model& model, const CellFactor& change, std::int64_t position) {
  at::Tensor factors = at::ones({1, model.config().d_ff});
  factors[0][change.cell.index] = change.factor;
  return {Site::kKey, change.cell.layer, Intervention::Kind::kScale, test::index_of({position}), factors};
}

std::vector<KnowledgeFact> facts_of_world(std::size_t count) {
  std::vector<KnowledgeFact> facts;
  for (const EditRequest& edit : test::world_edits(count))
    facts.push_back({edit.id, edit.prompt, edit.was, edit.paraphrases});
  return facts;
}

class Runs : public testing::TestWithParam<std::string> {
 protected:
  const Model model_ = test::tiny_model(GetParam(), 3);
  const TokenIds ids_ = test::some_ids(7, 90, 8);
};
INSTANTIATE_TEST_SUITE_P(Shapes, Runs, testing::ValuesIn(kShapes),
                         [](const auto& shape) { return shape.param; });

TEST_P(Runs, ChangedCellsAreThoseOfAWholePass) {
  const ChangedRuns runs(model_, ids_);
  EXPECT_TRUE(test::near(runs.unchanged(), plain_end(model_, ids_, {}), 1e-5));
  const std::vector<CellFactors> variants = {
      {{{1, 4}, 0}}, {}, {{{0, 7}, 2}, {{2, 9}, 0}, {{0, 8}, -1}}, {{{2, 0}, 3}}};
  for (const std::int64_t position : {std::int64_t{6}, std::int64_t{3}, std::int64_t{0}}) {
    const at::Tensor found = runs.changed(variants, position);
    ASSERT_EQ(found.size(0), 4);
    for (std::size_t v = 0; v < variants.size(); ++v) {
      std::vector<Intervention> changes;
      for (const CellFactor& change : variants[v]) changes.push_back(times(model_, change, position));
      EXPECT_TRUE(test::near(found[static_cast<std::int64_t>(v)], plain_end(model_, ids_, changes), 1e-4))
          << position << " " << v;
    }
  }
  EXPECT_EQ(runs.changed({}, 6).size(0), 0);
}

// A smaller budget runs fewer variants and steps a pass; what one token or some of them get is the same.
TEST_P(Runs, AnyBudgetGivesTheSame) {
  const ChangedRuns whole(model_, ids_), small(model_, ids_, 8);
  const std::vector<CellFactors> variants = {{{{1, 4}, 0}}, {{{0, 7}, 2}}, {}, {{{2, 0}, 3}}, {{{1, 1}, 0}}};
  int batches = 0;
  const auto count = [&] { ++batches; };
  const at::Tensor all = whole.changed(variants, 3);  // 4 tokens each
  EXPECT_TRUE(test::near(whole.changed(variants, 3, 41, count), all.select(1, 41), 1e-12));
  EXPECT_EQ(batches, 1);
  EXPECT_TRUE(test::near(small.changed(variants, 3, 41, count), all.select(1, 41), 1e-4));
  EXPECT_EQ(batches, 4);
  const at::Tensor logits = small.changed_logits(variants, 3, {41, 2});
  EXPECT_EQ(logits.sizes().vec(), (std::vector<std::int64_t>{5, 2}));
  EXPECT_TRUE(test::near((logits.select(1, 0) - logits.select(1, 1)).to(at::kDouble),
                         all.select(1, 41) - all.select(1, 2), 1e-4));
  double zero = 0, same = 0;
  const at::Tensor gradients = whole.path_gradients(1, 41, 20, zero);
  EXPECT_TRUE(test::near(small.path_gradients(1, 41, 20, same), gradients,
                         1e-4 * gradients.abs().max().item<double>()));
  EXPECT_NEAR(same, zero, 1e-6);
}

// One step is the gradient where the model stands, taken in a whole pass.
TEST_P(Runs, OneStepIsTheGradientOfTheModelItself) {
  const ChangedRuns runs(model_, ids_);
  for (int l = 0; l < 3; ++l) {
    double at_zero = 0;
    const at::Tensor found = runs.path_gradients(l, 41, 1, at_zero);
    const at::AutoGradMode with_grad(true);
    const at::Tensor added = at::zeros({1, model_.config().d_ff}).set_requires_grad(true);
    PassInput input;
    input.ids = {ids_};
    input.logit_tokens = {6};
    input.interventions = {{Site::kKey, l, Intervention::Kind::kAdd, test::index_of({6}), added}};
    const at::Tensor p = at::softmax(model_.forward(input).logits[0], 0)[41];
    const at::Tensor wanted = torch::autograd::grad({p}, {added})[0][0].to(at::kDouble);
    EXPECT_TRUE(test::near(found, wanted, 1e-3 * wanted.abs().max().item<double>())) << l;
    const at::Tensor zeros = at::zeros({1, model_.config().d_ff});
    const at::Tensor without =
        plain_end(model_, ids_, {{Site::kKey, l, Intervention::Kind::kReplace, test::index_of({6}), zeros}});
    EXPECT_NEAR(at_zero, without[41].exp().item<double>(), 1e-5);
  }
}

// Integrated gradients share out what a layer's coefficients do to P (Sundararajan et al. 2017,
// completeness).
TEST_P(Runs, FineStepsShareOutTheWholeChange) {
  const ChangedRuns runs(model_, ids_);
  const std::int64_t token = runs.unchanged().argmax().item<std::int64_t>();
  for (int l = 0; l < 3; ++l) {
    double at_zero = 0;
    constexpr int kSteps = 1000;
    const at::Tensor gradients = runs.path_gradients(l, token, kSteps, at_zero);
    const double shared = (runs.key(l).to(at::kDouble) * gradients).sum().item<double>() / kSteps;
    EXPECT_NEAR(shared, runs.unchanged()[token].exp().item<double>() - at_zero, 5e-3) << l;
  }
}

TEST_P(Runs, TheOwnOrderIsTheModelItself) {
  const LayerRuns runs(model_, {ids_, test::some_ids(4, 90, 5)});
  EXPECT_TRUE(test::near(runs.unchanged()[0], plain_end(model_, ids_, {}), 1e-5));
  // A layer that is swapped with itself.
  EXPECT_TRUE(test::near(runs.in_order({0, 1, 2}), runs.unchanged(), 1e-5));
  EXPECT_FALSE(test::near(runs.in_order({1, 0, 2}), runs.unchanged(), 1e-2));
}

TEST_P(Runs, ALayerThatIsLeftOutAddsNothing) {
  const LayerRuns runs(model_, {ids_, test::some_ids(4, 90, 5)});
  for (int l = 0; l < 3; ++l) {
    std::vector<int> order = {0, 1, 2};
    order.erase(order.begin() + l);
    // The block's output replaced by what entered it.
    const at::Tensor entering =
        test::plain_vectors(model_, ids_, l == 0 ? Site::kEmbedding : Site::kBlockOutput, std::max(l - 1, 0));
    const at::Tensor wanted = plain_end(model_, ids_,
                                        {{Site::kBlockOutput, l, Intervention::Kind::kReplace,
                                          test::index_of(test::counting(0, 7)), entering}});
    EXPECT_TRUE(test::near(runs.in_order(order)[0], wanted, 1e-4)) << l;
  }
}

TEST_P(Runs, HalvesThatPutOutZeros) {
  const LayerRuns runs(model_, {test::some_ids(4, 90, 5), ids_});
  const at::Tensor tokens = test::index_of(test::counting(0, 7)),
                   zeros = at::zeros({7, model_.config().d_model});
  for (const Site site : {Site::kMlpOutput, Site::kAttentionOutput}) {
    const at::Tensor wanted = plain_end(model_, ids_,
                                        {{site, 1, Intervention::Kind::kReplace, tokens, zeros},
                                         {site, 2, Intervention::Kind::kReplace, tokens, zeros}});
    EXPECT_TRUE(test::near(runs.without(site, 1, 3)[1], wanted, 1e-4));
  }
}

// The order of the blocks, by hand: 0, 2, 1 with each block's change of the stream taken from a pass over it
// alone is what in_order gives.
TEST_P(Runs, TwoLayersInEachOthersPlace) {
  const c10::NoGradGuard no_grad;
  const LayerRuns runs(model_, {ids_});
  at::Tensor x = test::plain_vectors(model_, ids_, Site::kBlockOutput, 0);
  for (const int block : {2, 1}) {
    PassInput input;
    input.ids = {ids_};
    input.hidden = x;
    input.begin_block = input.stop_block = block;
    input.stop = PassInput::Stop::kBlock;
    x = model_.forward(input).hidden;
  }
  const at::Tensor replaced = plain_end(
      model_, ids_,
      {{Site::kBlockOutput, 2, Intervention::Kind::kReplace, test::index_of(test::counting(0, 7)), x}});
  EXPECT_TRUE(test::near(runs.in_order({0, 2, 1})[0], replaced, 1e-4));
}

// A cell of the last layer that is the only one with a value: it holds every fact.
TEST(Knowledge, FindsThePlantedCell) {
  const Model model = test::load_world("gpt2");
  const c10::NoGradGuard no_grad;
  const EditRequest fact = test::world_edits(1)[0];
  const int last = model.config().layers - 1;
  const TokenIds ids = ids_of_prompt(model, fact.prompt, "auto", "");
  const std::int64_t token = first_token_of(model, fact.was, "");
  // All other values of all layers are gone; this one writes the token's row.
  for (const BlockWeights& block : model.weights().blocks) at::Tensor(block.mlp_down).zero_();
  const auto cell = ChangedRuns(model, ids).key(last).argmax().item<std::int64_t>();
  at::Tensor down = model.weights().blocks[static_cast<std::size_t>(last)].mlp_down;
  const at::Tensor row = model.weights().head[token] / model.weights().head[token].norm();
  for (double length = 0.1; plain_end(model, ids, {})[token].exp().item<double>() < 0.3; length *= 1.5)
    down.select(1, cell).copy_(length * row);
  KnowledgeOptions options;
  options.facts = {{"planted", fact.prompt, fact.was}};
  options.sizes = {1, 4};
  const KnowledgeOutcome outcome = find_knowledge(model, options);
  const FactKnowledge& known = outcome.facts[0];
  ASSERT_THAT(known.neurons, SizeIs(1));
  EXPECT_EQ(known.neurons[0].cell, (MemoryId{last, static_cast<int>(cell)}));
  EXPECT_LT(known.change.off, -0.1);
  EXPECT_GT(known.change.doubled, 0.02);
  EXPECT_NEAR(known.random.off, 0, 1e-6) << "the others write nothing";
  EXPECT_EQ(known.cells_of_90, 1);
  EXPECT_EQ(known.layers_of_90, 1);
  EXPECT_NEAR(known.damage[0].contribution / known.first - 1, known.change.off, 1e-6);
  EXPECT_NEAR(known.damage[0].attribution, known.damage[0].contribution, 1e-9);
  EXPECT_NEAR(known.damage[0].random, known.first, 0.2 * known.first);
  EXPECT_TRUE(std::isnan(known.others.off) && std::isnan(known.others.doubled)) << "there is no other fact";
  EXPECT_TRUE(std::isnan(outcome.mean.others.off) && std::isnan(outcome.mean.others.doubled));
  EXPECT_THAT(knowledge_text(outcome, 200),
              testing::AllOf(HasSubstr("no other fact"), testing::Not(HasSubstr("p of other facts"))));
  const auto json = nlohmann::json::parse(knowledge_json(outcome, options, model).dump());
  EXPECT_TRUE(json["facts"][0]["others"]["off"].is_null());
  EXPECT_TRUE(json["mean"]["others"]["doubled"].is_null());
}

// Facts of the invented world: their neurons matter to them, and more than random cells; damage grows with
// the number of cells.
TEST(Knowledge, NeuronsMatterMoreThanOtherCells) {
  for (const std::string shape : {"gpt2", "llama"}) {
    const Model model = test::load_world(shape);
    KnowledgeOptions options;
    options.facts = facts_of_world(3);
    options.steps = 5;
    options.shared = 0.4;
    options.sizes = {1, 10, 100};
    const KnowledgeOutcome outcome = find_knowledge(model, options);
    ASSERT_THAT(outcome.facts, SizeIs(3));
    EXPECT_GT(outcome.mean.with_neurons, 0);
    EXPECT_TRUE(std::isfinite(outcome.mean.others.off));
    if (shape == "llama") {  // the other one knows its facts with p of almost 1, which few cells do not move
      EXPECT_LT(outcome.mean.change.off, outcome.mean.random.off - 0.02);
      EXPECT_GT(outcome.mean.change.doubled, outcome.mean.random.doubled);
      EXPECT_LT(outcome.mean.change.off, outcome.mean.others.off);
    }
    const std::vector<DamagePoint>& damage = outcome.mean.damage;
    ASSERT_THAT(damage, SizeIs(3));
    for (std::size_t k = 0; k < 3; ++k) {
      EXPECT_LT(damage[k].attribution, damage[k].random) << shape;
      if (k > 0) {
        EXPECT_LT(damage[k].attribution, damage[k - 1].attribution) << shape;
      }
    }
    for (const FactKnowledge& fact : outcome.facts) {
      EXPECT_GT(fact.cells_of_90, 1);
      EXPECT_LE(fact.layers_of_90, model.config().layers);
      for (const KnowledgeNeuron& neuron : fact.neurons) EXPECT_GT(neuron.prompts, 0.4 * fact.prompts);
    }
    // The same again, number by number.
    const KnowledgeOutcome again = find_knowledge(model, options);
    EXPECT_EQ(again.mean.change.off, outcome.mean.change.off);
    EXPECT_EQ(again.mean.random.off, outcome.mean.random.off);
    EXPECT_EQ(again.mean.damage[2].random, damage[2].random);
  }
}

TEST(Knowledge, RefusesWhatItCannotDo) {
  const Model model = test::load_world("gpt2");
  const auto refusal = [&](const KnowledgeOptions& options) {
    return test::error_of(ErrorKind::kUsage, [&] { find_knowledge(model, options); });
  };
  const std::vector<KnowledgeFact> facts = {{"f", "x", ""}};
  EXPECT_THAT(refusal({}), HasSubstr("file of facts"));
  EXPECT_THAT(refusal({.facts = facts, .steps = 0}), HasSubstr("steps"));
  EXPECT_THAT(refusal({.facts = facts, .threshold = 1.5}), HasSubstr("threshold"));
  EXPECT_THAT(refusal({.facts = facts, .shared = -1}), HasSubstr("shared"));
  EXPECT_THAT(refusal({.facts = facts, .sizes = {5, 2}}), HasSubstr("sizes"));
  EXPECT_THAT(refusal({.facts = facts, .draws = 0}), HasSubstr("draws"));
  EXPECT_THAT(refusal({.facts = {{"f", "", ""}}, .bos = "none"}), HasSubstr("the fact \"f\""));
  EXPECT_THAT(
      test::error_of(ErrorKind::kUsage, [&] { measure_layer_changes(model, {.facts = facts, .window = 0}); }),
      HasSubstr("window"));
}

TEST(LayerChanges, EveryChangeIsMeasured) {
  const Model model = test::load_world("llama");
  const int layers = model.config().layers;
  LayerChangeOptions options{.facts = facts_of_world(3), .window = 2};
  const LayerChangeOutcome outcome = measure_layer_changes(model, options);
  EXPECT_EQ(outcome.effects.size(), static_cast<std::size_t>(3 * layers + 3 * (layers - 1)));
  EXPECT_GT(outcome.prompts, 3);
  double skipped = 0;
  for (const LayerEffect& effect : outcome.effects) {
    EXPECT_GE(effect.kl, 0);
    EXPECT_LE(effect.kept, 1);
    if (effect.change == LayerChange::kSkip) skipped = std::max(skipped, effect.kl);
  }
  EXPECT_GT(skipped, 0.01) << "some layer is needed";
  // In portions, the same but for rounding.
  options.token_budget = 1;
  const LayerChangeOutcome parts = measure_layer_changes(model, options);
  for (std::size_t i = 0; i < parts.effects.size(); ++i)
    EXPECT_NEAR(parts.effects[i].kl, outcome.effects[i].kl, 1e-4 + 1e-3 * outcome.effects[i].kl);
}

}  // namespace
}  // namespace emend
