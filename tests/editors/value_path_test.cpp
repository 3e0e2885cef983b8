// The search on a model whose values reach the residual stream through a norm and a multiplier: it runs on
// what the down projection produces.
#include <gtest/gtest.h>

#include <cmath>

#include "editors/common/search_step.h"
#include "search_fixture.h"

namespace emend::editors {
namespace {

using test::near;

class SearchBehindANorm : public SearchFixture {
 protected:
  SearchBehindANorm() {
    const c10::NoGradGuard no_grad;  // factors of 1 would hide a norm that is left out
    at::Tensor norm = model_.weights().blocks[kSearchLayer].mlp_post_norm;
    norm.add_(0.5 * at::sin(at::arange(norm.numel(), at::kFloat) * 1.3));
    trace_ = std::make_unique<LayerTrace>(model_, std::vector<int>{kSearchLayer}, fronts_, 4096);
  }
  SearchRows prepare() const { return prepare_rows(model_, *trace_, units_, options_); }
};
INSTANTIATE_TEST_SUITE_P(Shapes, SearchBehindANorm, ::testing::Values("gemma2"),
                         [](const auto& shape) { return shape.param; });

TEST_P(SearchBehindANorm, KeptLossIsThatOfAFullPass) {
  for (const Objective objective : {Objective::kWritten, Objective::kInjected}) {
    options_.objective = objective;
    const auto results = search(units_);
    for (std::size_t u = 0; u < units_.size(); ++u) {
      EXPECT_NEAR(results[u].losses[0], plain_loss(units_[u], at::zeros({32}), objective), 2e-4);
      EXPECT_NEAR(results[u].loss, plain_loss(units_[u], results[u].r, objective), 2e-4) << "unit " << u;
      EXPECT_LT(results[u].loss, results[u].first_loss) << "the search must have gone somewhere";
    }
  }
}

TEST_P(SearchBehindANorm, GradientIsThatOfThePlainLoss) {
  SearchRows rows = prepare();
  SearchStep step(model_, rows, {{0, 1, 2}, {false, false, false}}, options_);
  const at::Tensor r = 0.2 * at::sin(at::arange(3 * 32, at::kFloat)).view({3, 32});
  step.evaluate(r, true);
  const at::Tensor gradient = step.gradient(r);
  for (std::int64_t u = 0; u < 3; ++u)
    for (const std::int64_t coordinate : {0, 9, 22, 31}) {
      at::Tensor up = r[u].clone(), down = r[u].clone();
      up[coordinate] += 0.02;
      down[coordinate] -= 0.02;
      const SearchUnit& unit = units_[static_cast<std::size_t>(u)];
      const double slope = (plain_loss(unit, up) - plain_loss(unit, down)) / 0.04;
      EXPECT_NEAR(gradient[u][coordinate].item<double>(), slope, 5e-4 + 0.02 * std::abs(slope))
          << u << ", " << coordinate;
    }
}

TEST_P(SearchBehindANorm, HeldEditsAreInTheValues) {
  const at::Tensor a = at::stack({units_[0].a, units_[1].a, units_[2].a}),
                   r = 0.3 * at::sin(at::arange(3 * 32, at::kFloat)).view({3, 32});
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
    EXPECT_TRUE(near(row.value, before.rows[i].value + at::matmul(shares, r), 1e-4));
    EXPECT_TRUE(near(row.hidden, before.rows[i].hidden, 1e-3)) << "the stream without the values";
  }
}

TEST_P(SearchBehindANorm, CachedPositionsBelowTheReachCostLittle) {
  options_.reach = 0.02;
  const auto results = search(units_);
  for (std::size_t u = 0; u < units_.size(); ++u)
    EXPECT_NEAR(results[u].loss, plain_loss(units_[u], results[u].r), 0.02);
}

}  // namespace
}  // namespace emend::editors
