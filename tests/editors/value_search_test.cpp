// The value search on cached residuals against the plain way: full passes with the residual added at every
// token.
#include "editors/common/value_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/expect_error.h"
#include "memories/first_of_two.h"
#include "search_fixture.h"

namespace emend::editors {
namespace {

using test::near;

class ValueSearch : public SearchFixture {};
INSTANTIATE_TEST_SUITE_P(Shapes, ValueSearch, ::testing::Values("gpt2", "gptj", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(ValueSearch, KeptLossIsThatOfAFullPass) {
  for (const Objective objective : {Objective::kWritten, Objective::kInjected}) {
    options_.objective = objective;
    const auto results = search(units_);
    for (std::size_t u = 0; u < units_.size(); ++u) {
      EXPECT_NEAR(results[u].losses[0], plain_loss(units_[u], at::zeros({32}), objective), 1e-4);
      EXPECT_NEAR(results[u].loss, plain_loss(units_[u], results[u].r, objective), 1e-4) << "unit " << u;
      EXPECT_LT(results[u].loss, results[u].first_loss - 0.05) << "the search must have gone somewhere";
      EXPECT_EQ(results[u].nll, results[u].loss);
    }
  }
}

TEST_P(ValueSearch, CachedPositionsBelowTheReachCostLittle) {
  options_.reach = 0.02;
  const auto results = search(units_);
  for (std::size_t u = 0; u < units_.size(); ++u)
    EXPECT_NEAR(results[u].loss, plain_loss(units_[u], results[u].r), 0.01);
}

TEST_P(ValueSearch, FirstStepOfAdamMovesEveryCoordinateByTheRelativeStep) {
  options_.method = SearchMethod::kAdam;
  options_.max_steps = 1;
  options_.keep_best = false;
  options_.step = 0.2;
  for (std::size_t u = 0; u < units_.size(); ++u) {
    const SearchResult result = search({units_[u]})[0];
    const at::Tensor v0 =
        test::plain_vectors(model_, whole(units_[u].rows[0]), Site::kMlpOutput,
                            kSearchLayer)[static_cast<std::int64_t>(units_[u].rows[0].lookup)];
    EXPECT_NEAR(result.v0_norm, v0.norm().item<double>(), 1e-4);
    const double step = 0.2 * v0.norm().item<double>() / std::sqrt(32.0);
    EXPECT_TRUE(near(result.r.abs(), at::full({32}, step), 1e-3 * step));
    EXPECT_EQ(result.steps, 1);
    EXPECT_EQ(result.losses.size(), 2u);
  }
}

TEST_P(ValueSearch, FirstStepOfLbfgsIsAsLongAsTheRadius) {
  options_.max_steps = 1;
  options_.radius = 0.05;
  for (std::size_t u = 0; u < units_.size(); ++u) {
    const SearchResult result = search({units_[u]})[0];
    EXPECT_NEAR(result.r.norm().item<double>(), 0.05 * result.v0_norm, 1e-5 * result.v0_norm);
    EXPECT_EQ(result.steps, 1);
    EXPECT_LT(result.losses[1], result.losses[0]);
  }
}

// One way downhill or the other, from the same beginning; L-BFGS needs fewer evaluations.
TEST_P(ValueSearch, LbfgsComesAsFarAsAdamInHalfTheEvaluations) {
  options_.clamp = 20;
  options_.max_steps = 10;
  const auto fast = search(units_);
  options_.method = SearchMethod::kAdam;
  options_.max_steps = 20;
  const auto slow = search(units_);
  double fast_loss = 0, slow_loss = 0;
  for (std::size_t u = 0; u < units_.size(); ++u) {
    fast_loss += fast[u].loss;
    slow_loss += slow[u].loss;
    EXPECT_EQ(fast[u].first_loss, slow[u].first_loss);
  }
  EXPECT_LT(fast_loss, slow_loss + 0.05);
}

// A rejected evaluation is no iterate, so that the last is the best.
TEST_P(ValueSearch, LbfgsKeepsTheBest) {
  options_.decay = 50;
  for (const bool best : {true, false}) {
    options_.keep_best = best;
    for (const SearchResult& result : search(units_))
      EXPECT_EQ(result.loss, *std::min_element(result.losses.begin(), result.losses.end()));
  }
}

TEST_P(ValueSearch, GradientIsThatOfThePlainLoss) {
  // The first step's signs are those of finite differences wherever these are clear.
  options_.max_steps = 1;
  options_.keep_best = false;
  const SearchResult result = search({units_[2]})[0];
  int clear = 0;
  for (const std::int64_t coordinate : {0, 3, 11, 17, 25, 31}) {
    at::Tensor e = at::zeros({32});
    e[coordinate] = 0.02;
    const double slope = (plain_loss(units_[2], e) - plain_loss(units_[2], -e)) / 0.04;
    if (std::abs(slope) < 1e-3) continue;
    ++clear;
    EXPECT_LT(slope * result.r[coordinate].item<double>(), 0) << "coordinate " << coordinate;
  }
  EXPECT_GE(clear, 4);
}

TEST_P(ValueSearch, AUnitAloneEqualsTheSameUnitInABatch) {
  const auto batch = search(units_);
  options_.gradient_tokens = 1;  // one unit a pass
  const auto singles = search(units_);
  for (std::size_t u = 0; u < units_.size(); ++u) {
    const auto alone = search({units_[u]});
    for (const SearchResult& other : {alone[0], singles[u]}) {
      EXPECT_GT(at::cosine_similarity(batch[u].r, other.r, 0).item<double>(), 0.9999);
      EXPECT_EQ(batch[u].steps, other.steps);
      EXPECT_NEAR(batch[u].loss, other.loss, 1e-3);
    }
  }
}

TEST_P(ValueSearch, StaysInsideTheClamp) {
  options_.clamp = 0.3;
  options_.max_steps = 12;
  for (const SearchResult& result : search(units_)) {
    EXPECT_LE(result.r.norm().item<double>(), 0.3 * result.v0_norm * (1 + 1e-5));
    EXPECT_GE(result.r.norm().item<double>(), 0.25 * result.v0_norm) << "the clamp must have been reached";
  }
}

TEST_P(ValueSearch, AdamKeepsTheBestIterateOrTheLast) {
  options_.method = SearchMethod::kAdam;
  options_.decay = 50;  // so much that every step away from 0 costs more than it gains
  bool differ = false;
  for (options_.max_steps = 2; options_.max_steps <= 8; ++options_.max_steps) {
    options_.keep_best = true;
    const auto best = search(units_);
    options_.keep_best = false;
    const auto last = search(units_);
    for (std::size_t u = 0; u < units_.size(); ++u) {
      EXPECT_EQ(best[u].loss, *std::min_element(best[u].losses.begin(), best[u].losses.end()));
      EXPECT_EQ(last[u].loss, last[u].losses.back());
      differ = differ || best[u].loss < last[u].loss;
    }
  }
  EXPECT_TRUE(differ);
}

TEST_P(ValueSearch, StopsWhenTheTargetIsLikelyEnough) {
  options_.max_steps = 60;
  options_.clamp = 20;
  options_.stop_probability =
      0.04;  // a random model cannot be made sure of anything; it begins at about 0.01
  for (const SearchResult& result : search(units_)) {
    ASSERT_LT(result.steps, 60) << "must have converged";
    EXPECT_GT(result.steps, 0);
    EXPECT_GT(result.bare_probability, 0.04);
    EXPECT_GT(result.mean_probability, 0.04);
    EXPECT_EQ(result.losses.size(), static_cast<std::size_t>(result.steps) + 1);
    EXPECT_TRUE(result.converged);
  }
  options_.stop_loss = 3.5;
  for (const SearchResult& result : search(units_)) {
    EXPECT_LT(result.losses.back(), 3.5);
    for (std::size_t i = 0; i + 1 < result.losses.size(); ++i) EXPECT_GE(result.losses[i], 3.5);
  }
}

// Two of the three rows take the first steps.
std::vector<SearchUnit> with_early_rows(std::vector<SearchUnit> units) {
  for (SearchUnit& unit : units) {
    unit.rows[0].early_weight = 0.3;
    unit.rows[1].early_weight = 0.7;
  }
  return units;
}

TEST_P(ValueSearch, EarlyRowsLeadAndAllRowsDecide) {
  options_.max_steps = 60;
  options_.clamp = 20;
  options_.stop_probability = 0.04;
  SearchUnit unit = units_[0];
  const SearchResult whole = search(with_early_rows({unit}))[0];
  SearchUnit few = unit;
  few.rows.pop_back();
  few.rows[1].weight = 0.7;
  const SearchResult early = search({few})[0];
  EXPECT_GT(whole.early_steps, 0);
  EXPECT_EQ(whole.early_steps, early.steps);
  ASSERT_EQ(whole.losses.size(), static_cast<std::size_t>(whole.steps - whole.early_steps) + 1);
  EXPECT_NEAR(whole.losses[0], plain_loss(unit, early.r), 1e-4)
      << "all rows go on from where the few came to";
  EXPECT_NEAR(whole.loss, plain_loss(unit, whole.r), 1e-4);
  EXPECT_GT(whole.mean_probability, 0.04);
  EXPECT_TRUE(whole.converged);
}

TEST_P(ValueSearch, EarlyStepsAreAtMostHalfAndEveryUnitKeepsItsOwn) {
  options_.max_steps = 7;
  const auto units = with_early_rows(units_);
  const auto together = search(units);
  for (std::size_t u = 0; u < units.size(); ++u) {
    EXPECT_EQ(together[u].steps, 7);
    EXPECT_EQ(together[u].early_steps, 3);
    const SearchResult alone = search({units[u]})[0];
    EXPECT_LT((alone.r - together[u].r).norm().item<double>(), 1e-4 * alone.r.norm().item<double>());
  }
  options_.stop_probability = 0.04;
  options_.clamp = 20;
  options_.max_steps = 60;
  const auto stopped = search(units);
  for (std::size_t u = 0; u < units.size(); ++u) {
    const SearchResult alone = search({units[u]})[0];
    EXPECT_EQ(alone.steps, stopped[u].steps);
    EXPECT_EQ(alone.early_steps, stopped[u].early_steps);
    EXPECT_LT((alone.r - stopped[u].r).norm().item<double>(), 1e-3 * alone.r.norm().item<double>());
  }
}

// A step without end leads to no number; the other units go on.
TEST_P(ValueSearch, AUnitThatRunsAwayEarlyIsNotWritten) {
  auto units = with_early_rows(units_);
  units[1].a = units[1].a * std::numeric_limits<float>::infinity();
  options_.max_steps = 8;
  options_.clamp = 20;
  const auto results = search(units);
  EXPECT_FALSE(results[1].finite);
  EXPECT_FALSE(results[1].converged);
  EXPECT_EQ(results[1].r.abs().max().item<double>(), 0);
  for (const std::size_t u : {0, 2}) {
    EXPECT_TRUE(results[u].finite);
    EXPECT_LT((results[u].r - search({units[u]})[0].r).norm().item<double>(),
              1e-4 * results[u].r.norm().item<double>());
  }
}

// The early rows begin higher than all rows do: what has not moved has not converged.
TEST_P(ValueSearch, ConvergenceIsJudgedOnTheSameRows) {
  auto units = with_early_rows(units_);
  options_.absolute_step = options_.radius = 1e-7;
  options_.max_steps = 4;
  for (SearchUnit& unit : units) {
    unit.rows[1].early_weight = 3;  // so that the first loss is far above the loss of all rows
    const SearchResult result = search({unit})[0];
    EXPECT_GT(result.first_loss, 2 * result.loss);
    EXPECT_FALSE(result.converged);
  }
}

TEST_P(ValueSearch, ASearchThatGoesOnHasNoEarlySteps) {
  auto units = with_early_rows(units_);
  for (SearchUnit& unit : units) unit.start = 0.2 * at::sin(at::arange(32, at::kFloat));
  for (const SearchResult& result : search(units)) EXPECT_EQ(result.early_steps, 0);
}

TEST_P(ValueSearch, DecayAndDriftEnterTheLossAsStated) {
  SearchUnit unit = units_[0];
  const SearchRow drift = drift_row(unit);
  unit.rows.push_back(drift);
  options_.kl_factor = 0.5;
  options_.decay = 0.1 * search({unit})[0].v0_norm;
  const SearchResult result = search({unit})[0];
  const TokenIds ids = whole(drift);
  const auto t = static_cast<std::int64_t>(drift.lookup);
  const at::Tensor alpha = at::mv(plain_keys(drift), unit.a);
  const at::Tensor before = plain_logprobs(ids, at::zeros({alpha.size(0), 32}))[t],
                   now = plain_logprobs(ids, at::outer(alpha, result.r))[t];
  const double kl = (now.exp() * (now - before)).sum().item<double>();
  EXPECT_GT(kl, 1e-3);
  EXPECT_NEAR(result.kl, kl, 1e-4);
  EXPECT_NEAR(result.nll, plain_loss(unit, result.r), 1e-4);
  const double decay = options_.decay * result.r.norm().item<double>() / (result.v0_norm * result.v0_norm);
  EXPECT_GT(decay, 1e-2);
  EXPECT_NEAR(result.loss, result.nll + 0.5 * kl + decay, 1e-4);
  EXPECT_NEAR(result.losses[0], plain_loss(unit, at::zeros({32})), 1e-4)
      << "no drift and no decay at the start";
}

TEST_P(ValueSearch, WhatOtherEditsAddIsHeld) {
  SearchUnit unit = units_[1];
  const HeldEdits others = {
      at::stack({units_[0].a + 0.6 * unit.a, units_[2].a - 0.4 * unit.a}),
      at::stack({2.0 * at::sin(at::arange(32, at::kFloat)), 1.5 * at::cos(at::arange(32, at::kFloat))})};
  unit.held = others;
  unit.start = 0.2 * at::sin(at::arange(32, at::kFloat) + 2);
  options_.max_steps = 3;
  const SearchResult result = search({unit})[0];
  const auto loss_with_others = [&](const at::Tensor& r) {
    double loss = 0;
    for (const SearchRow& row : unit.rows) {
      const at::Tensor keys = plain_keys(row);
      const at::Tensor added =
          at::outer(at::mv(keys, unit.a), r) + at::matmul(at::matmul(keys, others.a.t()), others.r);
      const at::Tensor logprobs = plain_logprobs(whole(row), added);
      double nll = 0;
      for (std::size_t j = 0; j < row.labels.size(); ++j)
        nll -= logprobs[row.label_at[j]][row.labels[j]].item<double>();
      loss += row.weight * nll / static_cast<double>(row.labels.size());
    }
    return loss;
  };
  EXPECT_NEAR(result.first_loss, loss_with_others(unit.start), 1e-4);
  EXPECT_NEAR(result.loss, loss_with_others(result.r), 1e-4);
  EXPECT_GT(std::abs(loss_with_others(result.r) - plain_loss(unit, result.r)), 1e-2)
      << "the others must matter";
}

// One matrix for all units: each leaves its own row out, and nothing changes in the last bit.
TEST_P(ValueSearch, AUnitsOwnRowIsNotHeld) {
  SearchUnit alone = units_[1];
  const at::Tensor a = at::stack({units_[0].a, alone.a, units_[2].a}),
                   r = at::stack({2.0 * at::sin(at::arange(32, at::kFloat)), at::full({32}, 9.0f),
                                  1.5 * at::cos(at::arange(32, at::kFloat))});
  options_.max_steps = 3;
  for (std::int64_t own = 0; own < 3; ++own) {
    const at::Tensor kept = at::tensor(own == 0   ? std::vector<std::int64_t>{1, 2}
                                       : own == 1 ? std::vector<std::int64_t>{0, 2}
                                                  : std::vector<std::int64_t>{0, 1});
    alone.held = {a.index_select(0, kept), r.index_select(0, kept)};
    SearchUnit masked = units_[1];
    masked.held = {a, r};
    masked.own = own;
    const SearchResult one = search({alone})[0], other = search({masked})[0];
    EXPECT_TRUE(at::equal(one.r, other.r));
    EXPECT_EQ(one.losses, other.losses);
  }
  SearchUnit only = units_[1];
  only.held = {units_[1].a.unsqueeze(0), at::full({1, 32}, 9.0f)};
  only.own = 0;
  EXPECT_TRUE(at::equal(search({only})[0].r, search({units_[1]})[0].r));
}

using Numbers = test::FirstOfTwo::Numbers;

// There is one batch: the first process searches it, and the other one has found nothing.
TEST_P(ValueSearch, SharedByProcessesIsThatOfOne) {
  int calls = 0;
  test::FirstOfTwo group([&](const Numbers& own) { return calls++ == 0 ? own : Numbers{0, 0, 0}; });
  options_.gradient_tokens = 100'000;
  const auto alone = search(units_),
             shared = search_values(model_, *trace_, units_, options_, silent_, nullptr, &group);
  ASSERT_EQ(shared.size(), alone.size());
  for (std::size_t u = 0; u < units_.size(); ++u) {
    EXPECT_TRUE(at::equal(shared[u].r, alone[u].r)) << "unit " << u;
    EXPECT_EQ(shared[u].loss, alone[u].loss);
    EXPECT_EQ(shared[u].steps, alone[u].steps);
  }
}

TEST_P(ValueSearch, ProcessesWithOtherValuesAreRefusedBeforeAnySearch) {
  const auto told = [&](const std::vector<SearchUnit>& units, ShardGroup& group) {
    return test::error_of(ErrorKind::kConfig,
                          [&] { search_values(model_, *trace_, units, options_, silent_, nullptr, &group); });
  };
  const std::string refused = "do not search the same values";
  Numbers first;
  for (const std::size_t place : {0U, 1U, 2U}) {
    test::FirstOfTwo group([&](const Numbers& own) {
      if (own.front() > 0) first = own;
      Numbers other = own;
      ++other.at(place);
      return other;
    });
    EXPECT_NE(told(units_, group).find(refused), std::string::npos) << "number " << place;
    EXPECT_NE(told({}, group).find(refused), std::string::npos) << "one that has no values waits for nobody";
  }
  std::vector<SearchUnit> others = units_;
  others[1].rows[0].labels[0] += 1;
  test::FirstOfTwo group([&](const Numbers& own) {
    EXPECT_NE(own, first) << "the same values for another target";
    return Numbers{};
  });
  EXPECT_NE(told(others, group).find(refused), std::string::npos);
}

}  // namespace
}  // namespace emend::editors
