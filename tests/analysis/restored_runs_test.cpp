// Restored runs against whole runs of all rows, and the hand-made model whose answers are known.
#include "analysis/causal_trace/restored_runs.h"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "analysis/causal_trace/attribution.h"
#include "analysis/causal_trace/knockout.h"
#include "support/model_files.h"
#include "support/tiny_models.h"

namespace emend::trace {
namespace {

using test::counting;
using test::index_of;
using test::some_ids;
using test::tiny_model;

constexpr double kRounding = 2e-6;

TracedPrompt tiny_row(std::size_t answer_tokens) {
  TracedPrompt row;
  row.ids = some_ids(7, 96, 5);
  row.prompt = 7;
  row.subject_begin = 2;
  row.subject_end = 4;
  return with_answer(row, some_ids(answer_tokens, 96, 9));
}

TraceRuns tiny_runs(const Model& model, const TracedPrompt& row, int samples) {
  const c10::NoGradGuard no_grad;
  at::Tensor subject = model.weights().token_embedding.index_select(0, index_of(row.subject())).unsqueeze(0);
  std::vector<double> noise;
  for (std::int64_t i = 0; i < samples * subject.numel(); ++i)
    noise.push_back(0.6 * std::sin(1.7 * static_cast<double>(i) + 0.3));
  return run_clean_and_corrupted(model, row, subject + at::tensor(noise, at::kFloat).view({samples, 2, -1}));
}

// One restored run the plain way: all rows from the embedding, all positions.
double whole_run(const Model& model, const TraceRuns& runs, std::vector<Intervention> restored) {
  const c10::NoGradGuard no_grad;
  PassInput input;
  input.ids.assign(static_cast<std::size_t>(runs.samples), runs.row.ids);
  input.hidden = runs.corrupted_embedding.reshape({runs.samples * runs.row.size(), -1});
  input.interventions = std::move(restored);
  input.logit_tokens = reading_tokens(runs.samples, runs.row.size(), runs.row.answer_tokens());
  return answer_probability(model.forward(input).logits, runs.row.answer).mean().item<double>();
}

// Puts `values` [D] or [S, D] at token t of every row.
Intervention put(const TraceRuns& runs, Site site, int block, std::int64_t t, const at::Tensor& values) {
  std::vector<std::int64_t> tokens;
  tokens.reserve(static_cast<std::size_t>(runs.samples));
  for (int s = 0; s < runs.samples; ++s) tokens.push_back(s * runs.row.size() + t);
  return {site, block, Intervention::Kind::kReplace, index_of(tokens),
          values.expand({runs.samples, values.size(-1)})};
}

class RestoredRunsTest : public testing::TestWithParam<std::tuple<std::string, int>> {
 protected:
  Model model = tiny_model(std::get<0>(GetParam()), 5);
  TracedPrompt row = tiny_row(static_cast<std::size_t>(std::get<1>(GetParam())));
  TraceRuns runs = tiny_runs(model, row, 3);
};

TEST_P(RestoredRunsTest, CleanAndCorruptedRunsAreThoseOfWholeRows) {
  EXPECT_NEAR(runs.high,
              std::exp(-test::plain_nll(model, {row.ids.begin(), row.ids.begin() + row.prompt}, row.answer)),
              kRounding);
  EXPECT_NEAR(runs.mean_low(), whole_run(model, runs, {}), kRounding);
  EXPECT_GT(std::abs(runs.high - runs.mean_low()), 1e-4);
}

TEST_P(RestoredRunsTest, StatesEqualWholeRuns) {
  for (const std::int64_t t : counting(0, row.prompt)) {
    std::vector<Cell> cells;
    cells.reserve(5);
    for (int l = 0; l < 5; ++l) cells.push_back({l + 1, true, 0});
    const auto scores = run_cells(model, runs, cells, {t, Site::kBlockOutput, std::nullopt, 4096});
    for (int l = 0; l < 5; ++l)
      EXPECT_NEAR(scores[l],
                  whole_run(model, runs, {put(runs, Site::kBlockOutput, l, t, runs.block.clean[l][t])}),
                  kRounding)
          << "token " << t << " layer " << l;
  }
}

TEST_P(RestoredRunsTest, WindowsEqualWholeRunsHoweverTheyShareThem) {
  for (const Site site : {Site::kMlpOutput, Site::kAttentionOutput})
    for (const int width : {2, 4, 5})
      for (const std::int64_t t : {std::int64_t{3}, row.prompt - 1}) {
        std::vector<Cell> cells;
        for (int l = 0; l < 5; ++l) {
          const LayerRange window = window_around(l, width, 5);
          cells.push_back({window.begin, false, window.end});
        }
        for (const std::int64_t budget : {4096, 1, 40}) {
          const auto scores = run_cells(model, runs, cells, {t, site, std::nullopt, budget});
          for (int l = 0; l < 5; ++l) {
            std::vector<Intervention> restored;
            for (int b = cells[l].begin; b < cells[l].restore_end; ++b)
              restored.push_back(put(runs, site, b, t, runs.at(site).clean[b][t]));
            EXPECT_NEAR(scores[l], whole_run(model, runs, restored), kRounding)
                << "width " << width << " token " << t << " layer " << l;
          }
        }
      }
}

TEST_P(RestoredRunsTest, SeveredRunsKeepTheCorruptedOutputsOfTheSameNoise) {
  const std::int64_t t = row.subject_end - 1;
  for (const Site site : {Site::kMlpOutput, Site::kAttentionOutput}) {
    std::vector<Cell> cells;
    cells.reserve(5);
    for (int l = 0; l < 5; ++l) cells.push_back({l + 1, true, 0});
    const auto scores = run_cells(model, runs, cells, {t, Site::kBlockOutput, site, 4096});
    for (int l = 0; l < 5; ++l) {
      std::vector<Intervention> changes;
      changes.reserve(6);
      for (int b = 0; b < 5; ++b)
        changes.push_back(put(runs, site, b, t, runs.at(site).corrupted[b].select(1, t)));
      changes.push_back(put(runs, Site::kBlockOutput, l, t, runs.block.clean[l][t]));
      EXPECT_NEAR(scores[l], whole_run(model, runs, changes), kRounding) << "layer " << l;
    }
    EXPECT_NEAR(scores[4], runs.mean_low(), kRounding);
  }
}

TEST_P(RestoredRunsTest, EveryTokenRestoredAtOneBlockIsTheCleanRun) {
  for (const int l : {0, 2, 4}) {
    std::vector<Intervention> all;
    for (const std::int64_t t : counting(0, row.size()))
      all.push_back(put(runs, Site::kBlockOutput, l, t, runs.block.clean[l][t]));
    EXPECT_NEAR(whole_run(model, runs, all), runs.high, kRounding);
  }
}

TEST_P(RestoredRunsTest, KnockoutsEqualWholeRunsWithTheEdgesCut) {
  const std::vector<std::vector<std::int64_t>> sets = {{2, 3}, {0, 1, 4, 5}, {row.prompt - 1}};
  const auto curves = run_knockouts(model, runs, sets, 3);
  const c10::NoGradGuard no_grad;
  for (std::size_t set = 0; set < sets.size(); ++set)
    for (int l = 0; l < 5; ++l) {
      PassInput input;
      input.ids = {row.ids};
      const LayerRange window = window_around(l, 3, 5);
      for (std::int64_t query = row.prompt - 1; query < row.size(); ++query)
        for (const std::int64_t position : sets[set])
          input.knockouts.push_back({window.begin, window.end, query, position});
      input.logit_tokens = reading_tokens(1, row.size(), row.answer_tokens());
      const double p = answer_probability(model.forward(input).logits, row.answer).item<double>();
      EXPECT_NEAR(curves[set][l], p, kRounding) << "set " << set << " layer " << l;
    }
}

// The estimate is the derivative: half of a tiny difference changes p by half as much.
TEST_P(RestoredRunsTest, AttributionIsTheDerivativeAlongTheDifference) {
  const Attribution effects = attribute(model, runs);
  constexpr double kStep = 0.02;
  const auto checked = [&](Site site, const Grid& grid, std::int64_t t, int l) {
    const at::Tensor corrupted = runs.at(site).corrupted[l].select(1, t), clean = runs.at(site).clean[l][t];
    const double up =
        whole_run(model, runs, {put(runs, site, l, t, corrupted + kStep * (clean - corrupted))});
    const double down =
        whole_run(model, runs, {put(runs, site, l, t, corrupted - kStep * (clean - corrupted))});
    EXPECT_NEAR((up - down) / (2 * kStep), grid[t][l], 2e-3 * std::abs(grid[t][l]) + 3e-5)
        << "token " << t << " layer " << l;
  };
  for (const std::int64_t t : {std::int64_t{3}, row.prompt - 1})
    for (const int l : {1, 3}) {
      checked(Site::kBlockOutput, effects.block, t, l);
      checked(Site::kMlpOutput, effects.mlp, t, l);
      checked(Site::kAttentionOutput, effects.attention, t, l);
    }
}

// Nothing of the runs is written, so that threads may share them.
TEST_P(RestoredRunsTest, TokensMayBeRestoredInManyThreads) {
  const std::vector<std::int64_t> lengths = runs.cache.lengths;
  const auto restored = [&](std::int64_t t) {
    std::vector<Cell> cells;
    cells.reserve(5);
    for (int l = 0; l < 5; ++l) cells.push_back({l, false, std::min(l + 2, 5)});
    return run_cells(model, runs, cells, {t, Site::kAttentionOutput, std::nullopt, 8});
  };
  const auto expect_same = [](const std::vector<double>& found, const std::vector<double>& wanted) {
    ASSERT_EQ(found.size(), wanted.size());
    for (std::size_t l = 0; l < wanted.size(); ++l) EXPECT_NEAR(found[l], wanted[l], kRounding);
  };
  std::vector<std::vector<double>> wanted, found(static_cast<std::size_t>(row.prompt));
  for (std::int64_t t = 0; t < row.prompt; ++t) wanted.push_back(restored(t));
  const std::vector<double> curve = run_knockouts(model, runs, {{2, 3}}, 3)[0];
  EXPECT_EQ(runs.cache.lengths, lengths);
  std::vector<std::thread> threads;
  for (std::int64_t t = 0; t < row.prompt; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5; ++i) found[static_cast<std::size_t>(t)] = restored(t);
    });
  for (int i = 0; i < 5; ++i) expect_same(run_knockouts(model, runs, {{2, 3}}, 3)[0], curve);
  for (std::thread& thread : threads) thread.join();
  for (std::size_t t = 0; t < wanted.size(); ++t) expect_same(found[t], wanted[t]);
}

INSTANTIATE_TEST_SUITE_P(Shapes, RestoredRunsTest,
                         testing::Combine(testing::Values("gpt2", "llama"), testing::Values(1, 2)));

// Three blocks. The first does nothing; the MLP of the second looks up the last subject token and writes the
// object there; the attention of the third copies the object to the last token of the prompt.
class HandMadeModel : public testing::Test {
 protected:
  static constexpr std::int64_t kD = 16, kObject = 6, kRead = 7, kAnswer = 4;

  HandMadeModel() : model_(Model::make_random(config(), 1, {})) {
    const c10::NoGradGuard no_grad;
    const ModelWeights& w = model_.weights();
    for (const at::Tensor& t : {w.token_embedding, w.position_embedding, w.head}) t.zero_();
    for (const BlockWeights& b : w.blocks)
      for (const at::Tensor& t :
           {b.qkv, b.attention_out, b.mlp_in, b.mlp_in_bias, b.mlp_down, b.mlp_down_bias})
        t.zero_();
    for (int token = 0; token < 6; ++token) w.token_embedding[token][token] = 1;
    const BlockWeights& lookup = w.blocks[1];
    lookup.mlp_in[0][1] = 1;  // fires on token 1, whose normalised embedding is 4 in that place
    lookup.mlp_in_bias[0] = -2;
    lookup.mlp_down[kObject][0] = 2;
    const BlockWeights& copy = w.blocks[2];
    copy.qkv[0][2] = 8;             // query: "I am the last token of the prompt"
    copy.qkv[kD][kObject] = 8;      // key: "an object stands here"
    copy.qkv[2 * kD][kObject] = 1;  // value: the object
    copy.attention_out[kRead][0] = 2;
    w.head[kAnswer][kRead] = 3;
    TracedPrompt row;
    row.ids = {0, 1, 2};
    row.prompt = 3;
    row.subject_begin = 0;
    row.subject_end = 2;
    runs_ = run_clean_and_corrupted(model_, with_answer(row, {kAnswer}),
                                    at::stack({token(3), token(5)}).unsqueeze(0).repeat({2, 1, 1}));
  }

  static ModelConfig config() {
    ModelConfig c;
    c.family = "gpt2";
    c.layers = 3;
    c.d_model = c.head_dim = kD;
    c.d_ff = 4;
    c.heads = c.kv_heads = 1;
    c.vocab = 6;
    c.max_positions = 8;
    c.block.norm = NormKind::kRmsNorm;
    c.block.norm_eps = 0;
    c.block.activation = ActivationKind::kRelu;
    c.block.mlp_bias = true;
    c.tied_head = false;
    return c;
  }
  static at::Tensor token(std::int64_t i) { return at::eye(kD)[i]; }

  std::vector<double> effects(std::int64_t t, std::optional<Site> pinned) {
    auto scores = run_cells(model_, runs_, {{1, true, 0}, {2, true, 0}, {3, true, 0}},
                            {t, Site::kBlockOutput, pinned, 4096});
    for (double& score : scores) score -= runs_.mean_low();
    return scores;
  }

  Model model_;
  TraceRuns runs_;
};

TEST_F(HandMadeModel, TracingFindsWhereTheFactIsLookedUpAndWhereItIsRead) {
  const double total = runs_.high - runs_.mean_low();
  EXPECT_GT(runs_.high, 0.9);
  EXPECT_NEAR(runs_.mean_low(), 1.0 / 6, 1e-6);  // nothing is known: all tokens are alike
  const auto expect = [](const std::vector<double>& found, const std::vector<double>& wanted) {
    for (std::size_t l = 0; l < wanted.size(); ++l)
      EXPECT_NEAR(found[l], wanted[l], 1e-6) << "after block " << l;
  };
  expect(effects(0, std::nullopt), {0, 0, 0});
  expect(effects(1, std::nullopt), {total, total, 0});
  expect(effects(2, std::nullopt), {0, 0, total});
  expect(effects(1, Site::kMlpOutput), {0, total, 0});
  expect(effects(1, Site::kAttentionOutput), {total, total, 0});
}

TEST_F(HandMadeModel, WindowsFindTheModuleThatDoesIt) {
  const double total = runs_.high - runs_.mean_low();
  const auto effect = [&](std::int64_t t, Site site, int block) {
    return run_cells(model_, runs_, {{block, false, block + 1}}, {t, site, std::nullopt, 4096})[0] -
           runs_.mean_low();
  };
  EXPECT_NEAR(effect(1, Site::kMlpOutput, 1), total, 1e-6);
  EXPECT_NEAR(effect(2, Site::kAttentionOutput, 2), total, 1e-6);
  for (const auto& [t, site, block] :
       std::vector<std::tuple<std::int64_t, Site, int>>{{0, Site::kMlpOutput, 1},
                                                        {1, Site::kMlpOutput, 0},
                                                        {1, Site::kMlpOutput, 2},
                                                        {1, Site::kAttentionOutput, 2},
                                                        {2, Site::kAttentionOutput, 1}})
    EXPECT_NEAR(effect(t, site, block), 0, 1e-6) << "token " << t << " block " << block;
}

TEST_F(HandMadeModel, CuttingTheLastTokenFromTheSubjectRemovesTheAnswerInTheBlockThatCopies) {
  const auto curves = run_knockouts(model_, runs_, {{0, 1}, {0}}, 1);
  EXPECT_NEAR(curves[0][0], runs_.high, 1e-6);
  EXPECT_NEAR(curves[0][1], runs_.high, 1e-6);
  EXPECT_NEAR(curves[0][2], 1.0 / 6, 1e-6);
  EXPECT_NEAR(curves[1][2], runs_.high, 1e-3);  // the other subject token carries nothing
}

}  // namespace
}  // namespace emend::trace
