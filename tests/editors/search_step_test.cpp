// One evaluation of the search and what it stands on, each by itself.
#include "editors/common/search_step.h"

#include <gmock/gmock.h>

#include <cmath>

#include "editors/common/target_rows.h"
#include "search_fixture.h"

namespace emend::editors {
namespace {

using test::near;
using ::testing::ElementsAre;

at::Tensor floats(std::vector<double> values) {
  return at::tensor(values, at::kFloat);
}

TEST(GroupSums, AddWeightedValuesOfRaggedGroups) {
  const GroupSums sums = group_sums({{0, 2}, {}, {1}}, {0.5, 3, 2}, at::kCPU);
  EXPECT_TRUE(near(sums(floats({10, 20, 30})), floats({65, 0, 60}), 1e-5));
}

TEST(GroupSums, WhatFillsUpCountsNothingEvenWhenItIsNoNumber) {
  const GroupSums sums = group_sums({{0, 1}, {2}}, {1, 1, 1}, at::kCPU);
  const at::Tensor found = sums(floats({std::nan(""), 1, 4}));
  EXPECT_TRUE(std::isnan(found[0].item<double>()));
  EXPECT_EQ(found[1].item<double>(), 4);
}

class SearchStepTest : public SearchFixture {
 protected:
  SearchRows prepare() const { return prepare_rows(model_, *trace_, units_, options_); }
  ActiveUnits all() const { return {{0, 1, 2}, {false, false, false}}; }
  static at::Tensor some_r(std::int64_t units) {
    return 0.3 * at::sin(at::arange(units * 32, at::kFloat)).view({units, 32});
  }
};
INSTANTIATE_TEST_SUITE_P(Shapes, SearchStepTest, ::testing::Values("gpt2", "gptj", "llama"),
                         [](const auto& shape) { return shape.param; });

// --- prepare_rows

TEST_P(SearchStepTest, RowsBeginWhereTheResidualCanMoveThem) {
  SearchRows rows = prepare();  // reach 0: every token can move
  ASSERT_EQ(rows.rows.size(), 9u);
  EXPECT_EQ(rows.layer, kSearchLayer);
  for (const ActiveRow& row : rows.rows) EXPECT_EQ(row.begin, 0);
  options_.reach = 1e9;  // none can: they begin at the lookup token all the same
  rows = prepare();
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    const ActiveRow& row = rows.rows[i];
    EXPECT_EQ(row.unit, i / 3);
    EXPECT_EQ(row.begin, static_cast<std::int64_t>(row.source->lookup));
    EXPECT_EQ(rows.cache.lengths[i], row.begin);
    const auto length = static_cast<std::int64_t>(whole(*row.source).size());
    EXPECT_EQ(row.hidden.size(0), length - row.begin);
    EXPECT_EQ(row.alpha.size(0), length - row.begin);
  }
}

TEST_P(SearchStepTest, AlphaIsTheResponseOrTheLookupTokenAlone) {
  for (const ActiveRow& row : prepare().rows)
    EXPECT_TRUE(near(row.alpha, at::mv(plain_keys(*row.source), units_[row.unit].a), 1e-4));
  options_.objective = Objective::kInjected;
  for (const ActiveRow& row : prepare().rows) {
    at::Tensor wanted = at::zeros_like(row.alpha);
    wanted[static_cast<std::int64_t>(row.source->lookup)] = 1;
    EXPECT_TRUE(near(row.alpha, wanted, 0));
  }
}

TEST_P(SearchStepTest, HeldEditsAreInTheStreamButNotTheUnitsOwn) {
  const at::Tensor a = at::stack({units_[0].a, units_[1].a, units_[2].a}), r = some_r(3);
  const SearchRows before = prepare();
  for (std::size_t u = 0; u < 3; ++u) {
    units_[u].held = {a, r};
    units_[u].own = static_cast<std::int64_t>(u);
  }
  const SearchRows after = prepare();
  for (std::size_t i = 0; i < after.rows.size(); ++i) {
    const ActiveRow& row = after.rows[i];
    at::Tensor shares = at::matmul(plain_keys(*row.source), a.t());
    shares.select(1, static_cast<std::int64_t>(row.unit)).zero_();
    EXPECT_TRUE(near(row.hidden, before.rows[i].hidden + at::matmul(shares, r), 1e-4));
  }
}

TEST_P(SearchStepTest, ValuesAreMeasuredAtTheBareLookupToken) {
  const at::Tensor norms = prepare().v0_norms;
  ASSERT_EQ(norms.sizes(), (std::vector<std::int64_t>{3, 1}));
  for (std::int64_t u = 0; u < 3; ++u) {
    const SearchRow& bare = units_[static_cast<std::size_t>(u)].rows[0];
    const at::Tensor value = test::plain_vectors(model_, whole(bare), Site::kMlpOutput,
                                                 kSearchLayer)[static_cast<std::int64_t>(bare.lookup)];
    EXPECT_NEAR(norms[u][0].item<double>(), value.norm().item<double>(), 1e-4);
  }
}

// --- lay_out_step

TEST_P(SearchStepTest, OnlyActiveUnitsAreLaidOut) {
  SearchRows rows = prepare();
  const StepLayout layout = lay_out_step(model_, rows, {{0, 2}, {false, false, false}});
  EXPECT_EQ(layout.units(), 2);
  EXPECT_THAT(layout.row_unit, ElementsAre(0, 0, 0, 1, 1, 1));
  EXPECT_THAT(layout.row_bare, ElementsAre(true, false, false, true, false, false));
  EXPECT_THAT(layout.input.cache_row, ElementsAre(0, 1, 2, 6, 7, 8));
  EXPECT_EQ(layout.labels.size(0), 3 * 1 + 3 * 3) << "targets of one and of three tokens";
  EXPECT_EQ(layout.input.logit_tokens.size(), 12u);
  EXPECT_EQ(layout.alpha.sizes(), (std::vector<std::int64_t>{layout.hidden.size(0), 2}));
  EXPECT_EQ((layout.alpha != 0).sum(1).max().item<std::int64_t>(), 1) << "a token belongs to one unit";
}

TEST_P(SearchStepTest, EarlyUnitsRunTheirEarlyRowsAndDriftRows) {
  units_[1].rows[1].early_weight = 1;
  SearchRow drift;
  drift.row = {0, units_[1].rows[0].row.own};
  drift.lookup = units_[1].rows[0].lookup;
  drift.drift = true;
  units_[1].rows.push_back(drift);
  SearchRows rows = prepare();
  const StepLayout layout = lay_out_step(model_, rows, {{1, 2}, {false, true, false}});
  EXPECT_THAT(layout.row_unit, ElementsAre(0, 1, 1, 1));
  ASSERT_EQ(layout.drift_rows.size(), 1u);
  EXPECT_EQ(layout.drift_rows[0], &rows.rows[6]);
  EXPECT_EQ(layout.input.logit_tokens.size(), 2u + 3 * 3 + 1);
}

// --- evaluate, gradient

TEST_P(SearchStepTest, LossesAreThoseOfFullPasses) {
  SearchRows rows = prepare();
  SearchStep step(model_, rows, all(), options_);
  const at::Tensor r = some_r(3);
  const StepLosses losses = step.evaluate(r, false);
  for (std::size_t u = 0; u < 3; ++u) {
    EXPECT_NEAR(losses.nll[u], plain_loss(units_[u], r[static_cast<std::int64_t>(u)]), 1e-4);
    EXPECT_EQ(losses.total[u], losses.nll[u]);
    EXPECT_EQ(losses.kl[u], 0);
    EXPECT_GT(losses.bare[u], 0);
    EXPECT_LE(losses.mean[u], 1);
  }
  const StepLosses again = step.evaluate(r, true);
  for (std::size_t u = 0; u < 3; ++u) EXPECT_NEAR(again.nll[u], losses.nll[u], 1e-5);
}

TEST_P(SearchStepTest, GradientIsThatOfTheLosses) {
  options_.decay = 0.5;
  SearchRows rows = prepare();
  SearchStep step(model_, rows, all(), options_);
  const at::Tensor r = some_r(3);
  step.evaluate(r, true);
  const at::Tensor gradient = step.gradient(r);
  ASSERT_EQ(gradient.sizes(), r.sizes());
  const double size = 0.02;
  for (const std::int64_t coordinate : {0, 7, 19, 31}) {
    at::Tensor e = at::zeros_like(r);
    e.select(1, coordinate).fill_(size);
    const StepLosses up = step.evaluate(r + e, false), down = step.evaluate(r - e, false);
    for (std::int64_t u = 0; u < 3; ++u) {
      const auto place = static_cast<std::size_t>(u);
      const double slope = (up.total[place] - down.total[place]) / (2 * size);
      EXPECT_NEAR(gradient[u][coordinate].item<double>(), slope, 2e-2 * std::abs(slope) + 2e-3)
          << "unit " << u << ", coordinate " << coordinate;
    }
  }
}

// The end behind the target is -log of the sum of its tokens' probabilities; the target's own figures stay.
TEST_P(SearchStepTest, TheEndIsAFurtherTermOfTheLoss) {
  const std::vector<SearchUnit> without = units_;
  for (SearchUnit& unit : units_)
    for (SearchRow& row : unit.rows) read_end_of_text(row);
  options_.ends = {3, 7};
  options_.end_weight = 0.5;
  SearchRows rows = prepare();
  SearchStep step(model_, rows, all(), options_);
  const at::Tensor r = some_r(3);
  const StepLosses losses = step.evaluate(r, true);
  const at::Tensor gradient = step.gradient(r);
  for (std::size_t u = 0; u < 3; ++u) {
    const at::Tensor own = r[static_cast<std::int64_t>(u)];
    double end_nll = 0, bare = 1, mean = 0;
    for (const SearchRow& row : units_[u].rows) {
      const at::Tensor alpha = at::mv(plain_keys(row), units_[u].a);
      const at::Tensor p = plain_logprobs(whole(row), at::outer(alpha, own))[row.end_at].exp();
      const double end = p[3].item<double>() + p[7].item<double>();
      end_nll -= row.weight * std::log(end);
      if (row.bare) bare = end;
      mean += end / 3;
    }
    EXPECT_NEAR(losses.nll[u], plain_loss(without[u], own), 1e-4);
    EXPECT_NEAR(losses.end_nll[u], end_nll, 1e-4);
    EXPECT_NEAR(losses.total[u], losses.nll[u] + 0.5 * end_nll, 1e-4);
    EXPECT_NEAR(losses.bare_end[u], bare, 1e-5);
    EXPECT_NEAR(losses.mean_end[u], mean, 1e-5);
  }
  at::Tensor e = at::zeros_like(r);
  e.select(1, 7).fill_(0.02);
  const StepLosses up = step.evaluate(r + e, false), down = step.evaluate(r - e, false);
  for (std::size_t u = 0; u < 3; ++u) {
    const double slope = (up.total[u] - down.total[u]) / 0.04;
    EXPECT_NEAR(gradient[static_cast<std::int64_t>(u)][7].item<double>(), slope,
                2e-2 * std::abs(slope) + 2e-3);
  }
}

TEST_P(SearchStepTest, WithoutEndsNothingIsAdded) {
  SearchRows rows = prepare();
  const StepLosses losses = SearchStep(model_, rows, all(), options_).evaluate(some_r(3), false);
  EXPECT_THAT(losses.end_nll, ElementsAre(0, 0, 0));
  EXPECT_THAT(losses.bare_end, ElementsAre(1, 1, 1));
}

TEST_P(SearchStepTest, DriftIsMeasuredFromTheFirstEvaluation) {
  options_.kl_factor = 0.5;
  SearchRow drift;
  drift.row = {0, units_[0].rows[0].row.own};
  drift.lookup = units_[0].rows[0].lookup;
  drift.drift = true;
  units_[0].rows.push_back(drift);
  SearchRows rows = prepare();
  const ActiveUnits first{{0}, {false, false, false}};
  {
    SearchStep step(model_, rows, first, options_);
    EXPECT_NEAR(step.evaluate(at::zeros({1, 32}), false).kl[0], 0, 1e-6);
  }
  SearchStep later(model_, rows, first, options_);  // another step knows it too
  const StepLosses losses = later.evaluate(some_r(1), false);
  EXPECT_GT(losses.kl[0], 1e-5);
  EXPECT_NEAR(losses.total[0], losses.nll[0] + 0.5 * losses.kl[0], 1e-6);
}

}  // namespace
}  // namespace emend::editors
