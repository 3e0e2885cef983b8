// An edit of every checkpoint of tests/data/families, against plain full passes: what is written at which
// token, what arrives in the stream, and what it is worth.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "analysis/prompt_rows.h"
#include "emend/checks.h"
#include "emend/editor.h"
#include "emend/statistics_run.h"
#include "support/family_models.h"
#include "support/tiny_models.h"

namespace emend {
namespace {

using test::near;

double length(const at::Tensor& t) {
  return t.norm().item<double>();
}

// The paper's way from W k + b to the stream, in float64: the model's norm, then its multiplier.
at::Tensor plain_arrival(const Model& model, int block, const at::Tensor& values) {
  const BlockWeights& weights = model.weights().blocks[static_cast<std::size_t>(block)];
  const BlockSpec& spec = model.config().spec(block);
  at::Tensor arrived = values.to(at::kDouble);
  if (weights.mlp_post_norm.defined()) {
    EXPECT_EQ(spec.norm, NormKind::kRmsNorm) << "no other norm stands there in these families";
    const at::Tensor size = (arrived.square().mean(1, true) + spec.norm_eps).sqrt();
    arrived = arrived / size * weights.mlp_post_norm.to(at::kDouble);
  }
  return arrived * spec.residual_multiplier;
}

// Prompts longer than the windows of the checkpoints (8).
EditRequest inner_subject() {
  return make_request("a kp dwelt by quorf in", "quorf", "b");
}
// At the last block nothing but the last token itself can still be moved.
EditRequest last_subject() {
  return make_request("here we met with quorf", "quorf", "b");
}
EditRequest other_subject() {
  return make_request("so they came by mavix to", "mavix", "b");
}

class FamilyEdit : public ::testing::TestWithParam<std::string> {
 protected:
  FamilyEdit() : checkpoint_(GetParam()), model_(checkpoint_.load()) {
    context_.prefix = test::kFamilyPrefix;
    context_.keep_going = true;
  }

  void use_layer(int layer) {
    SilentProgress silent;
    StatisticsOptions options;
    options.layers = {layer};
    options.prefix = context_.prefix;
    statistics_ = collect_statistics(model_, options, silent);
    context_.statistics = &statistics_;
    context_.layers = {layer};
  }
  int layer() const { return context_.layers.front(); }
  int last_layer() const { return model_.config().layers - 1; }

  Edit edit(const std::vector<EditRequest>& requests, std::map<std::string, std::string> options) const {
    std::map<std::string, OptionText> texts;
    for (const auto& [name, value] : options) texts[name] = {value, "test"};
    SilentProgress silent;
    return make_editor("rome", texts)->edit(model_, requests, context_, silent);
  }

  RowForm form() const { return {context_.prefix, PromptForm::kRaw}; }
  TokenIds target(const EditRequest& request) const {
    return target_ids(model_.tokenizer(), request.target, form());
  }
  // The request with a target of so many tokens that random weights can be made to say: each letter is the
  // likeliest there but for one, the model's own choice.
  EditRequest within_reach(EditRequest request, std::size_t tokens = 1) const {
    request.target.clear();
    while (request.target.size() < tokens) {
      std::vector<std::pair<double, std::string>> longer;
      for (char letter = 'a'; letter <= 'z'; ++letter) {
        EditRequest tried = request;
        tried.target += letter;
        const TokenIds row = bare_row(model_.tokenizer(), tried, form()).ids;
        longer.emplace_back(test::plain_nll(model_, row, target(tried)), tried.target);
      }
      std::nth_element(longer.begin(), longer.begin() + 1, longer.end());
      request.target = longer[1].second;
    }
    return request;
  }
  // The bare row, then one a context.
  std::vector<PromptRow> rows(const EditRequest& request, const Edit& edit) const {
    std::vector<PromptRow> all = {bare_row(model_.tokenizer(), request, form())};
    for (const TokenIds& context : edit.context_ids)
      all.push_back(context_row(model_.tokenizer(), request, context, form()));
    return all;
  }
  at::Tensor vectors(const TokenIds& ids, Site site) const {
    return test::plain_vectors(model_, ids, site, layer());
  }

  // Mean nll of the target a row, weighed as the search does: 0.3 for the bare row.
  double written_loss(const EditRequest& request, const Edit& edit) const {
    const std::vector<PromptRow> all = rows(request, edit);
    double loss = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const double share = all.size() == 1 ? 1 : i == 0 ? 0.3 : 0.7 / static_cast<double>(all.size() - 1);
      loss += share * test::plain_nll(model_, all[i].ids, target(request));
    }
    return loss;
  }

  // What each row holds at the layer, before and after.
  struct Seen {
    at::Tensor keys, values, stream;
  };
  Seen seen(const TokenIds& ids) const {
    return {vectors(ids, Site::kKey), vectors(ids, Site::kMlpOutput), vectors(ids, Site::kBlockOutput)};
  }

  // Every token x of a row receives r (a k(x)) where W k + b stands, position 0 nothing, and the stream what
  // the model makes of that.
  void expect_written(const TokenIds& ids, const Edit& edit, const Seen& before) const {
    const Seen after = seen(ids);
    const WeightChange& change = edit.changes.front();
    const at::Tensor alpha = at::matmul(before.keys, change.A.t());
    const double scale = length(change.B) * (1 + alpha.abs().max().item<double>());
    EXPECT_TRUE(at::equal(after.keys, before.keys)) << "the edit lies behind the keys";
    EXPECT_TRUE(near(after.values, before.values + at::matmul(alpha, change.B.t()), 1e-4 * scale + 1e-5));
    EXPECT_LT(length(after.values[0] - before.values[0]), 1e-3 * length(change.B)) << "the sink moved";
    const at::Tensor arrived =
        plain_arrival(model_, layer(), after.values) - plain_arrival(model_, layer(), before.values);
    EXPECT_TRUE(
        near(after.stream - before.stream, arrived,
             1e-5 * (1 + before.stream.abs().max().item<double>() + arrived.abs().max().item<double>())));
  }

  // W' k = W k + y r at each key that the edit holds.
  void expect_held(const FactPart& part, const at::Tensor& before, const at::Tensor& after) const {
    const at::Tensor moved = at::matmul(part.keys, (after - before).t());
    EXPECT_TRUE(near(moved, at::outer(part.answers, part.residual), 1e-3 * length(part.residual)));
    EXPECT_GT(length(part.residual), 0);
  }

  void expect_edit(const EditRequest& request) {
    const Edit made = edit({request}, {{"kl", "0"}, {"contexts", "2"}, {"steps", "20"}});
    if (made.changes.empty()) GTEST_SKIP() << "random weights cannot be made to say this";
    const FactRecord& fact = made.facts.front();
    ASSERT_EQ(fact.status, FactStatus::kEdited);
    const double loss_before = written_loss(request, made);
    std::vector<Seen> before;
    for (const PromptRow& row : rows(request, made)) before.push_back(seen(row.ids));
    const at::Tensor& weight = model_.weight(made.changes[0].weight);
    const at::Tensor kept = weight.clone();
    {
      const ScopedEdit scope(model_, made.changes);
      expect_held(fact.parts.front(), kept, model_.weight(made.changes[0].weight));
      const std::vector<PromptRow> all = rows(request, made);
      for (std::size_t i = 0; i < all.size(); ++i) {
        SCOPED_TRACE("row " + std::to_string(i));
        expect_written(all[i].ids, made, before[i]);
      }
      EXPECT_NEAR(fact.loss, written_loss(request, made), 0.01);
      EXPECT_LT(fact.loss, 0.9 * loss_before);
      expect_measured(request, all.front().ids);
    }
    EXPECT_TRUE(at::equal(model_.weight(made.changes[0].weight), kept));
    EXPECT_EQ(model_.weight(made.changes[0].weight).data_ptr(), kept_pointer(weight));
  }
  static const void* kept_pointer(const at::Tensor& weight) { return weight.data_ptr(); }

  // p(target) as it is reported.
  void expect_measured(const EditRequest& request, const TokenIds& bare) const {
    SilentProgress silent;
    CheckOptions options;
    options.prefix = context_.prefix;
    const FactState state = measure_facts(model_, {request}, options, silent).front();
    EXPECT_NEAR(state.prompt.p_target, std::exp(-test::plain_nll(model_, bare, target(request))), 1e-5);
  }

  test::FamilyCheckpoint checkpoint_;
  Model model_;
  Statistics statistics_;
  EditorContext context_;
};

TEST_P(FamilyEdit, HoldsInTheFirstBlock) {
  use_layer(0);
  const EditRequest request = within_reach(inner_subject(), 2);
  ASSERT_EQ(target(request).size(), 2u);
  expect_edit(request);
}

TEST_P(FamilyEdit, HoldsInTheLastBlock) {
  use_layer(last_layer());
  expect_edit(within_reach(last_subject()));
}

TEST_P(FamilyEdit, HoldsBehindSteepNorms) {
  if (!model_.weights().blocks[0].mlp_post_norm.defined()) GTEST_SKIP() << "no norm behind the MLP";
  test::make_norms_steep(model_);
  use_layer(0);
  expect_edit(within_reach(inner_subject()));
  use_layer(last_layer());
  expect_edit(within_reach(last_subject(), 2));
}

TEST_P(FamilyEdit, TwoFactsHoldTogether) {
  use_layer(0);
  EditRequest one = within_reach(inner_subject()), two = within_reach(other_subject());
  one.id = "one";
  two.id = "two";
  const Edit made = edit({one, two}, {{"contexts", "0"}});
  if (made.facts[0].status != FactStatus::kEdited || made.facts[1].status != FactStatus::kEdited)
    GTEST_SKIP() << "random weights cannot be made to say this";
  ASSERT_EQ(made.changes.size(), 1u);
  const at::Tensor kept = model_.weight(made.changes[0].weight).clone();
  const ScopedEdit scope(model_, made.changes);
  for (const FactRecord& fact : made.facts)
    expect_held(fact.parts.front(), kept, model_.weight(made.changes[0].weight));
}

TEST_P(FamilyEdit, KindsOfKeysAreOneWithTheBareTemplateAlone) {
  use_layer(0);
  const EditRequest request = within_reach(inner_subject());
  const std::map<std::string, std::string> bare = {
      {"contexts", "0"}, {"protect_sink", "false"}, {"keys", "original"}};
  const Edit rome = edit({request}, bare);
  if (rome.changes.empty()) GTEST_SKIP() << "random weights cannot be made to say this";
  for (const char* const keys : {"mean", "prompt", "context+bare"}) {
    auto options = bare;
    options["keys"] = keys;
    const Edit other = edit({request}, options);
    ASSERT_EQ(other.changes.size(), 1u);
    EXPECT_TRUE(near(other.changes[0].A, rome.changes[0].A, 1e-5 * length(rome.changes[0].A))) << keys;
    EXPECT_TRUE(near(other.changes[0].B, rome.changes[0].B, 1e-3 * length(rome.changes[0].B))) << keys;
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, FamilyEdit, ::testing::ValuesIn(test::family_checkpoints()),
                         [](const auto& one) { return one.param; });

}  // namespace
}  // namespace emend
