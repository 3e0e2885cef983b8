// From cells to a layer's output and from layers to the answer: the fixtures F1 and F6 by hand, and small
// models against the plain way.
#include "emend/memory_aggregate.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/expect_error.h"
#include "emend/memory_view.h"
#include "memories/aggregate_visitor.h"
#include "memories/aggregates.h"
#include "memories/lens.h"
#include "memories/scans.h"
#include "memories/sparsity.h"
#include "memories/value_agreement.h"

namespace emend {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

// F1: tokens A = (1, 0), B = (0, 1), C = (0.8, 0.8) under the raw lens.
at::Tensor f1_favourites(const at::Tensor& rows) {
  static const at::Tensor kTokens = at::tensor({1.0, 0.0, 0.0, 1.0, 0.8, 0.8}).view({3, 2});
  return at::matmul(rows.to(at::kDouble), kTokens.to(at::kDouble).t()).argmax(1);
}
std::int64_t f1_top(double x, double y) {
  return f1_favourites(at::tensor({x, y}).unsqueeze(0))[0].item<std::int64_t>();
}

TEST(F1, ACoalitionOfTwoSaysWhatNeitherSays) {
  EXPECT_EQ(f1_top(1, 0), 0);
  EXPECT_EQ(f1_top(0, 1), 1);
  EXPECT_EQ(f1_top(1, 1), 2) << "m = (1, 1): no cell agrees";
  EXPECT_EQ(f1_top(3, 0.1), 0) << "m = (3, 0.1): cell 1 agrees";
  // Cell 1 wins exactly where m1 > 4 m2.
  EXPECT_EQ(f1_top(4.001, 1), 0);
  EXPECT_EQ(f1_top(3.999, 1), 2);
  const at::Tensor pushes = at::tensor({1.0, 0.0, 0.0, 1.0}).view({2, 2}), base = at::zeros({2}, at::kDouble);
  // C over the runner-up A: cell 2 pushes 0.8, cell 1 pushes -0.2.
  EXPECT_EQ(minimal_coalition(pushes.to(at::kDouble), base, at::tensor({1, 0}, at::kLong), coalition_sizes(2),
                              2, f1_favourites),
            2);
  const at::Tensor lone = at::tensor({3.0, 0.0, 0.0, 0.1}).view({2, 2});
  EXPECT_EQ(minimal_coalition(lone.to(at::kDouble), base, at::tensor({0, 1}, at::kLong), coalition_sizes(2),
                              0, f1_favourites),
            1);
  EXPECT_THAT(coalition_sizes(10), ElementsAre(1, 2, 3, 4, 6, 8, 10));
  EXPECT_THAT(coalition_sizes(1), ElementsAre(1));
}

// F1: r = (2, 0), whose favourite is A.
TEST(F1, FourWaysToDecide) {
  const auto decision = [](double x, double y) {
    return decision_of(f1_top(2, 0), f1_top(x, y), f1_top(2 + x, y));
  };
  EXPECT_EQ(decision(1, 1), Decision::kAdded) << "(3, 1) is C, as (1, 1) is";
  EXPECT_EQ(decision(0, 1), Decision::kComposition) << "B is added to A, and C comes out";
  EXPECT_EQ(decision(0, 0.2), Decision::kResidual);
  EXPECT_EQ(decision(1, 0), Decision::kAgreement);
  EXPECT_EQ(decision_of(5, 5, 7), Decision::kImpossible);
}

TEST(AggregateState, SpreadByHand) {
  ExampleLayer example;
  add_spread(at::tensor({6.0F, 3.0F, 1.0F, 0.05F}), example);
  EXPECT_NEAR(example.participation, 10.05 * 10.05 / (36 + 9 + 1 + 0.0025), 1e-6);
  EXPECT_NEAR(example.dominance, 6 / 10.05, 1e-6);
  EXPECT_EQ(example.cells_of_90, 3) << "6 + 3 is less than 9.045";
  EXPECT_NEAR(example.above_hundredth, 0.75, 1e-9) << "0.05 is below 0.06";
}

TEST(AggregateState, SharesHaveWilsonsInterval) {
  const ShareWithInterval share = share_of(8, 10);
  EXPECT_NEAR(share.share, 0.8, 1e-12);
  EXPECT_NEAR(share.low, 0.4902, 1e-4);
  EXPECT_NEAR(share.high, 0.9433, 1e-4);
  EXPECT_EQ(share_of(0, 4).low, 0);
  EXPECT_TRUE(std::isnan(share_of(0, 0).share));
}

TEST(AggregateState, TheDecisionIsTheFirstLayerThatKeepsTheAnswer) {
  std::vector<ExampleLayer> layers(4);
  for (std::size_t l = 0; l < layers.size(); ++l) {
    layers[l].residual_final = l >= 2 ? 9 : 3;
    layers[l].output_final = l >= 1 ? 9 : 3;
  }
  std::vector<const ExampleLayer*> views;
  for (const ExampleLayer& layer : layers) views.push_back(&layer);
  EXPECT_EQ(decision_layer_of(views, 9), 2U);
  EXPECT_EQ(decision_layer_of(views, 3), 4U) << "none";
  layers[3].residual_final = 1;
  EXPECT_EQ(decision_layer_of(views, 9), 4U) << "kept only at the very end";
}

TEST(DrawExamples, TakesOneOfEachRowBeforeASecond) {
  const std::vector<std::int64_t> ids(6, 1);
  std::vector<PlacedRow> rows;
  for (std::uint64_t r = 0; r < 3; ++r) rows.push_back({static_cast<std::int64_t>(r), 0, 6 * r, r, ids});
  for (const std::uint64_t seed : {0U, 1U, 2U}) {
    const auto three = draw_examples(rows, 3, seed);
    ASSERT_THAT(three, SizeIs(3));
    for (std::uint64_t r = 0; r < 3; ++r) {
      EXPECT_EQ(three[r] / 6, r);
      EXPECT_NE(three[r] % 6, 0U) << "position 0";
    }
    const auto four = draw_examples(rows, 4, seed);
    for (const std::uint64_t address : three)
      EXPECT_THAT(four, testing::Contains(address)) << "more of them keep those that fewer have";
  }
  EXPECT_THAT(draw_examples(rows, 100, 0), SizeIs(15));
}

using test::small_aggregate;

class Aggregates : public ::testing::TestWithParam<std::string> {
 protected:
  const Model model_ = test::load_world(GetParam());
};
INSTANTIATE_TEST_SUITE_P(Shapes, Aggregates, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

// What the plain way counts at one position.
struct PlainCounts {
  double active = 0, zero = 0, residual_final = 0, ffn_output = 0, residual = 0, composition = 0;
  std::vector<double> probabilities;
};

TEST_P(Aggregates, EqualThePlainWay) {
  const c10::NoGradGuard no_grad;
  const AggregateOptions options = small_aggregate(model_);
  const AggregateOutcome outcome = run_aggregate(model_, options);
  ScanOptions scan = test::small_scan(model_);
  scan.tokens = 300;
  const auto text = test::text_of(model_, scan);
  const std::vector<PlacedRow> rows = text->rows();
  const auto addresses = draw_examples(rows, 10, options.seed);
  const int last = model_.config().layers - 1;
  const Lens lens(model_, {}), head(model_, {.kind = LensKind::kHead});
  const auto top = [&](const at::Tensor& x) {
    return lens.logits(x.unsqueeze(0), 0).argmax().item<std::int64_t>();
  };
  std::vector<PlainCounts> plain(static_cast<std::size_t>(last) + 1);
  for (const std::uint64_t address : addresses) {
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const PlacedRow& one) {
      return address >= one.address && address < one.address + one.ids.size();
    });
    PassInput input;
    input.ids = {
        {row->ids.begin(), row->ids.begin() + static_cast<std::ptrdiff_t>(address - row->address) + 1}};
    const auto end = static_cast<std::int64_t>(input.ids[0].size()) - 1;
    input.logit_tokens = {end};
    for (int l = 0; l <= last; ++l)
      for (const Site site : {Site::kGate, Site::kKey, Site::kMlpOutput, Site::kBlockOutput})
        input.recordings.push_back({site, l, {}});
    const PassOutput seen = model_.forward(input);
    const auto final_token = seen.logits[0].argmax().item<std::int64_t>();
    for (int l = 0; l <= last; ++l) {
      PlainCounts& counts = plain[static_cast<std::size_t>(l)];
      const auto at = [&](int site) { return seen.recorded[static_cast<std::size_t>(4 * l + site)][end]; };
      const at::Tensor score = at(0), key = at(1), y = at(2), o = at(3), r = o - y;
      const at::Tensor z = lens.logits(FfnView(model_, l).values(), l);
      const std::int64_t a = top(r), f = top(y), b = top(o);
      bool agrees = false;
      for (std::int64_t i = 0; i < key.numel(); ++i) {
        if (score[i].item<float>() <= 0) continue;
        ++counts.active;
        const at::Tensor own = key[i].item<float>() > 0 ? z[i] : -z[i];
        agrees = agrees || own.argmax().item<std::int64_t>() == f;
      }
      counts.zero += agrees ? 0 : 1;
      const at::Tensor p = head.logits(r.unsqueeze(0), 0).softmax(1)[0];
      counts.residual_final += p.argmax().item<std::int64_t>() == final_token ? 1 : 0;
      counts.ffn_output += f == b ? 1 : 0;
      counts.residual += b == a && a != f ? 1 : 0;
      counts.composition += b != a && b != f ? 1 : 0;
      counts.probabilities.push_back(p[final_token].item<double>());
    }
  }
  EXPECT_EQ(outcome.tokens, 10);
  EXPECT_EQ(outcome.text_tokens, 300);
  ASSERT_EQ(outcome.layers.size(), plain.size());
  double decided = 0;
  for (std::size_t l = 0; l < plain.size(); ++l) {
    const LayerAggregate& found = outcome.layers[l];
    EXPECT_NEAR(found.active_mean, plain[l].active / 10, 1e-9);
    EXPECT_NEAR(found.zero_agreement.share, plain[l].zero / 10, 1e-9);
    EXPECT_NEAR(found.residual_is_final.share, plain[l].residual_final / 10, 1e-9);
    EXPECT_NEAR(found.ffn_is_output.share, plain[l].ffn_output / 10, 1e-9);
    EXPECT_NEAR(found.ffn[1], plain[l].residual / 10, 1e-9);
    EXPECT_NEAR(found.ffn[3], plain[l].composition / 10, 1e-9);
    EXPECT_NEAR(found.final_probability[1], quantile_of(plain[l].probabilities, 0.5), 1e-4);
    EXPECT_EQ(found.ffn[4], 0) << "a linear lens has no impossible case";
    EXPECT_GE(found.coalition, 1);
    EXPECT_LE(found.zero_agreement_all.share, found.zero_agreement.share);
    decided += found.decided;
  }
  EXPECT_EQ(outcome.layers.back().output_is_final, 1) << "the last stream is the model's answer";
  EXPECT_LE(decided, 1 + 1e-9);
}

TEST_P(Aggregates, BudgetsAndChosenLayersChangeNothing) {
  AggregateOptions options = small_aggregate(model_);
  const AggregateOutcome all = run_aggregate(model_, options);
  options.token_budget = 64;
  options.layers = {1};
  const AggregateOutcome one = run_aggregate(model_, options);
  ASSERT_THAT(one.layers, SizeIs(1));
  EXPECT_EQ(one.layers[0].layer, 1);
  EXPECT_NEAR(one.layers[0].active_mean, all.layers[1].active_mean, 1e-9);
  EXPECT_EQ(one.layers[0].zero_agreement.share, all.layers[1].zero_agreement.share);
  EXPECT_EQ(one.layers[0].attention, all.layers[1].attention) << "h is the output of the layer before";
  EXPECT_NEAR(one.layers[0].final_probability[1], all.layers[1].final_probability[1], 1e-5);
}

std::vector<std::vector<std::int64_t>> first_rows(const Model& model, std::int64_t tokens) {
  ScanOptions scan = test::small_scan(model);
  const auto text = test::text_of(model, scan);
  std::vector<std::vector<std::int64_t>> rows;
  for (const PlacedRow& row : text->rows()) {
    rows.emplace_back(row.ids.begin(), row.ids.end());
    tokens -= static_cast<std::int64_t>(row.ids.size());
    if (tokens <= 0) break;
  }
  return rows;
}

TEST_P(Aggregates, AllCellsKeptChangeNothingAndFewerChangeMore) {
  AggregateOptions options = small_aggregate(model_);
  options.sparsity = 120;
  options.examples = 2;
  options.coalitions = 0;
  const AggregateOutcome outcome = run_aggregate(model_, options);
  ASSERT_THAT(outcome.sparsity, SizeIs(kKeptShares.size()));
  EXPECT_GT(outcome.sparsity_tokens, 60);
  EXPECT_LE(outcome.sparsity_tokens, 120);
  const SparsityPoint& all = outcome.sparsity.back();
  EXPECT_EQ(all.share, 1);
  EXPECT_NEAR(all.kl, 0, 1e-6);
  EXPECT_EQ(all.same_top, 1);
  EXPECT_NEAR(all.perplexity_ratio, 1, 1e-5);
  for (std::size_t s = 1; s < outcome.sparsity.size(); ++s)
    EXPECT_LT(outcome.sparsity[s].kl, outcome.sparsity[s - 1].kl * 1.05 + 1e-6) << "more cells, less change";
  EXPECT_GT(outcome.sparsity.front().kl, 0.01);
}

// In the last layer alone nothing else moves: its clean key, cut by hand, gives the same figures.
TEST_P(Aggregates, TheSparsityOfOneLayerEqualsThePlainWay) {
  const c10::NoGradGuard no_grad;
  const int last = model_.config().layers - 1;
  const auto rows = first_rows(model_, 80);
  SilentProgress silent;
  const auto curve = sparsity_curve(model_, {last}, rows, 4096, silent);
  EXPECT_NEAR(sparsity_curve(model_, {last}, rows, 30, silent)[2].kl, curve[2].kl, 1e-6) << "in small passes";
  double kl = 0, same = 0, tokens = 0;
  for (const auto& row : rows) {
    PassInput input;
    input.ids = {row};
    for (std::size_t j = 0; j < row.size(); ++j) input.logit_tokens.push_back(static_cast<std::int64_t>(j));
    input.recordings = {{Site::kKey, last, {}}};
    const PassOutput clean = model_.forward(input);
    at::Tensor key = clean.recorded[0].clone();
    const at::Tensor norms = FfnView(model_, last).values(ValueSide::kArriving).norm(2, 1);
    const auto kept = static_cast<std::size_t>(std::ceil(0.05 * static_cast<double>(key.size(1)) - 1e-9));
    for (std::int64_t t = 0; t < key.size(0); ++t) {
      std::vector<std::pair<double, std::int64_t>> order;
      for (std::int64_t i = 0; i < key.size(1); ++i)
        order.emplace_back(-std::abs(key[t][i].item<double>() * norms[i].item<double>()), i);
      std::sort(order.begin(), order.end());
      for (std::size_t k = kept; k < order.size(); ++k) key[t][order[k].second] = 0;
    }
    input.recordings.clear();
    input.interventions = {
        {Site::kKey, last, Intervention::Kind::kReplace, at::arange(key.size(0), at::kLong), key}};
    const at::Tensor p = clean.logits.log_softmax(1), q = model_.forward(input).logits.log_softmax(1);
    kl += (p.exp() * (p - q)).sum().item<double>();
    same += (p.argmax(1) == q.argmax(1)).sum().item<double>();
    tokens += static_cast<double>(row.size());
  }
  EXPECT_EQ(curve[2].share, 0.05);
  EXPECT_NEAR(curve[2].kl, kl / tokens, 1e-5);
  EXPECT_NEAR(curve[2].same_top, same / tokens, 1e-9);
}

// F6: (u, v) and (-u, -v) are one cell.
TEST(F6, FlippedCellsChangeNoAggregate) {
  const c10::NoGradGuard no_grad;
  const Model model = test::load_world("llama");
  const AggregateOptions options = small_aggregate(model);
  const AggregateOutcome before = run_aggregate(model, options);
  for (const BlockWeights& block : model.weights().blocks)
    for (std::int64_t cell = 0; cell < model.config().d_ff; cell += 3) {
      block.mlp_in[model.config().d_ff + cell].neg_();
      block.mlp_down.select(1, cell).neg_();
    }
  const AggregateOutcome after = run_aggregate(model, options);
  for (std::size_t l = 0; l < before.layers.size(); ++l) {
    EXPECT_EQ(after.layers[l].active_mean, before.layers[l].active_mean);
    EXPECT_EQ(after.layers[l].zero_agreement.share, before.layers[l].zero_agreement.share);
    EXPECT_EQ(after.layers[l].coalition, before.layers[l].coalition);
    EXPECT_NEAR(after.layers[l].dominance, before.layers[l].dominance, 1e-6);
    EXPECT_EQ(after.layers[l].ffn, before.layers[l].ffn);
  }
}

TEST(AggregateRefusals, NameTheOption) {
  const Model model = test::load_world("llama");
  const auto refused = [&](ErrorKind kind, auto change, const char* what) {
    AggregateOptions options = small_aggregate(model);
    change(options);
    EXPECT_THAT(test::error_of(kind, [&] { run_aggregate(model, options); }), HasSubstr(what));
  };
  refused(
      ErrorKind::kUsage, [](AggregateOptions& o) { o.examples = 0; }, "examples");
  refused(
      ErrorKind::kUsage, [](AggregateOptions& o) { o.coalitions = -1; }, "coalitions");
  refused(
      ErrorKind::kUsage, [](AggregateOptions& o) { o.lens.kind = LensKind::kHead; }, "lens");
  refused(
      ErrorKind::kConfig, [](AggregateOptions& o) { o.corpus.clear(); }, "corpus");
  refused(
      ErrorKind::kConfig, [](AggregateOptions& o) { o.layers = {99}; }, "99");
}

}  // namespace
}  // namespace emend
