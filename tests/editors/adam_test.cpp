#include "editors/common/adam.h"

#include <cmath>

#include "support/model_files.h"

namespace emend::editors {
namespace {

using test::near;

at::Tensor rows(const std::vector<std::int64_t>& index) {
  return at::tensor(index, at::kLong);
}

TEST(Adam, FirstStepMovesEveryCoordinateByTheStep) {
  Adam adam(at::zeros({2, 3}), at::tensor({0.1f, 2.0f}).unsqueeze(1), at::full({2, 1}, 100.0f));
  adam.update(rows({0, 1}), {}, at::tensor({1e-3f, -50.0f, 4.0f, -1.0f, 1.0f, 1e3f}).view({2, 3}));
  EXPECT_TRUE(near(adam.values(), at::tensor({-0.1f, 0.1f, -0.1f, 2.0f, -2.0f, -2.0f}).view({2, 3}), 1e-4));
}

TEST(Adam, FollowsTheFormulaOverSeveralSteps) {
  Adam adam(at::zeros({1, 1}), at::full({1, 1}, 0.05f), at::full({1, 1}, 100.0f));
  double x = 0, m = 0, v = 0;
  for (int t = 1; t <= 6; ++t) {
    const double g = std::sin(3.0 * t) + 0.5;
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g * g;
    x -= 0.05 * (m / (1 - std::pow(0.9, t))) / (std::sqrt(v / (1 - std::pow(0.999, t))) + 1e-8);
    adam.update(rows({0}), {}, at::full({1, 1}, g).to(at::kFloat));
    EXPECT_NEAR(adam.values().item<float>(), x, 1e-5) << "step " << t;
  }
}

TEST(Adam, ARowThatTakesNoPartKeepsItsCount) {
  Adam both(at::zeros({2, 2}), at::full({2, 1}, 0.1f), at::full({2, 1}, 100.0f));
  Adam alone(at::zeros({1, 2}), at::full({1, 1}, 0.1f), at::full({1, 1}, 100.0f));
  const at::Tensor g = at::tensor({0.3f, -0.7f}).unsqueeze(0);
  both.update(rows({0, 1}), {}, at::cat({g, g}));
  const at::Tensor rested = both.values()[0].clone();
  both.update(rows({1}), {}, 2 * g);
  both.update(rows({1}), {}, -g);
  EXPECT_TRUE(at::equal(both.values()[0], rested));
  both.update(rows({0}), {}, 2 * g);
  alone.update(rows({0}), {}, g);
  alone.update(rows({0}), {}, 2 * g);
  EXPECT_TRUE(near(both.values()[0], alone.values()[0], 1e-7))
      << "its own second step, whatever the other row did";
}

TEST(Adam, ProjectsOntoTheBall) {
  Adam adam(at::zeros({2, 2}), at::full({2, 1}, 3.0f), at::tensor({1.0f, 50.0f}).unsqueeze(1));
  adam.update(rows({0, 1}), {}, at::tensor({1.0f, 1.0f, 1.0f, 1.0f}).view({2, 2}));
  EXPECT_NEAR(adam.values()[0].norm().item<float>(), 1.0, 1e-6);
  EXPECT_TRUE(near(adam.values()[0], at::full({2}, -std::sqrt(0.5)), 1e-6)) << "its direction stays";
  EXPECT_TRUE(near(adam.values()[1], at::full({2}, -3.0), 1e-4));
}

}  // namespace
}  // namespace emend::editors
