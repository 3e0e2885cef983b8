// Searches on every checkpoint of tests/data/families: the losses on cached blocks are those of full passes.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "search_fixture.h"
#include "support/family_models.h"

namespace emend::editors {
namespace {

class FamilySearch : public ::testing::TestWithParam<std::string>, public SearchCase {
 protected:
  FamilySearch() : SearchCase(test::FamilyCheckpoint(GetParam()).load()) { options_.max_steps = 4; }

  std::vector<int> ends() const { return {0, model_.config().layers - 1}; }
  at::Tensor nothing() const { return at::zeros({model_.config().d_model}); }
};

TEST_P(FamilySearch, LossesAreThoseOfFullPasses) {
  for (const int layer : ends())
    for (const Objective objective : {Objective::kWritten, Objective::kInjected}) {
      use_layer(layer);
      options_.objective = objective;
      const auto results = search(units_);
      for (std::size_t u = 0; u < units_.size(); ++u) {
        const double first = plain_loss(units_[u], nothing(), objective);
        EXPECT_NEAR(results[u].losses.front(), first, 1e-5 * std::max(1.0, first)) << layer << ", unit " << u;
        EXPECT_NEAR(results[u].loss, plain_loss(units_[u], results[u].r, objective), 1e-4)
            << layer << ", unit " << u;
      }
    }
}

// With tokens that keep their cached keys and values although the residual moves them a little.
TEST_P(FamilySearch, TheReportedLossIsThatOfTheWrittenModel) {
  for (const double reach : {0.1, 0.5}) {
    options_.reach = reach;
    for (const int layer : ends()) {
      use_layer(layer);
      const auto results = search(units_);
      for (std::size_t u = 0; u < units_.size(); ++u)
        EXPECT_NEAR(results[u].loss, plain_loss(units_[u], results[u].r), 0.01) << layer << ", unit " << u;
    }
  }
}

// Adam on whole passes: the iterate and the losses of every step, the first one before any.
struct PlainAdam {
  at::Tensor r, first_gradient;
  std::vector<double> losses;
};

class FamilyAdam : public FamilySearch {
 protected:
  FamilyAdam() {
    options_.method = SearchMethod::kAdam;
    options_.step = 0.2;
    options_.clamp = 20;
    options_.keep_best = false;
  }

  // In float64 but for the passes; betas and epsilon of Kingma and Ba.
  PlainAdam descend(const SearchUnit& unit, double step, int steps) const {
    PlainAdam result;
    result.r = at::zeros({model_.config().d_model}, at::kDouble);
    at::Tensor first = at::zeros_like(result.r), second = at::zeros_like(result.r);
    for (int t = 0; t <= steps; ++t) {
      const at::Tensor leaf = result.r.to(at::kFloat).requires_grad_(true);
      const at::Tensor loss = plain_loss_of(unit, leaf, Objective::kWritten);
      result.losses.push_back(loss.item<double>());
      if (t == steps) break;
      const at::Tensor gradient = torch::autograd::grad({loss}, {leaf})[0].to(at::kDouble);
      if (t == 0) result.first_gradient = gradient;
      first = 0.9 * first + 0.1 * gradient;
      second = 0.999 * second + 0.001 * gradient.square();
      const at::Tensor scale = (second / (1 - std::pow(0.999, t + 1))).sqrt() + 1e-8;
      result.r = result.r - step * first / (1 - std::pow(0.9, t + 1)) / scale;
    }
    return result;
  }

  // What one step moves each coordinate by.
  double step_of(const SearchResult& result) const {
    return options_.step * result.v0_norm / std::sqrt(static_cast<double>(model_.config().d_model));
  }
};

TEST_P(FamilyAdam, GoesTheWayOfFullPasses) {
  for (const int layer : ends()) {
    use_layer(layer);
    const SearchUnit& unit = units_[1];
    options_.stop_loss = 0;
    options_.max_steps = 1;
    const SearchResult first = search({unit})[0];
    const double step = step_of(first);
    const PlainAdam plain = descend(unit, step, 5);
    const at::Tensor size = plain.first_gradient.abs(), clear = size > 1e-3 * size.max();
    EXPECT_GT(clear.sum().item<std::int64_t>(), model_.config().d_model / 2);
    const at::Tensor moved = first.r.to(at::kDouble).masked_select(clear);
    const at::Tensor wanted = -step * plain.first_gradient.sign().masked_select(clear);
    EXPECT_LT((moved - wanted).abs().max().item<double>(), 1e-3 * step) << layer;

    options_.max_steps = 5;
    const SearchResult five = search({unit})[0];
    EXPECT_GT(at::cosine_similarity(five.r.to(at::kDouble), plain.r, 0).item<double>(), 0.999) << layer;
    ASSERT_EQ(five.losses.size(), plain.losses.size());
    EXPECT_LT(plain.losses.back(), plain.losses.front() - 0.05) << "the search must have gone somewhere";
    for (std::size_t i = 0; i < five.losses.size(); ++i)
      EXPECT_NEAR(five.losses[i], plain.losses[i], i == 0 ? 1e-5 * plain.losses[0] : 0.02 * plain.losses[i]);

    options_.stop_loss = (plain.losses[2] + plain.losses[3]) / 2;
    const SearchResult stopped = search({unit})[0];
    const auto below = std::find_if(plain.losses.begin(), plain.losses.end(),
                                    [&](double loss) { return loss < options_.stop_loss; });
    EXPECT_LE(std::abs(stopped.steps - static_cast<int>(below - plain.losses.begin())), 1) << layer;
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, FamilyAdam, ::testing::ValuesIn(test::family_checkpoints()),
                         [](const auto& one) { return one.param; });
INSTANTIATE_TEST_SUITE_P(Checkpoints, FamilySearch, ::testing::ValuesIn(test::family_checkpoints()),
                         [](const auto& one) { return one.param; });

}  // namespace
}  // namespace emend::editors
