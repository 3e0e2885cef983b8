// Searches on every checkpoint of tests/data/families: the losses on cached blocks are those of full passes.
#include <gtest/gtest.h>

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

INSTANTIATE_TEST_SUITE_P(Checkpoints, FamilySearch, ::testing::ValuesIn(test::family_checkpoints()),
                         [](const auto& one) { return one.param; });

}  // namespace
}  // namespace emend::editors
