#include "editors/common/lbfgs.h"

#include <cmath>
#include <functional>
#include <limits>

#include "support/model_files.h"

namespace emend::editors {
namespace {

using test::near;

at::Tensor rows(const std::vector<std::int64_t>& index) {
  return at::tensor(index, at::kLong);
}

at::Tensor column(const std::vector<double>& numbers) {
  return at::tensor(numbers, at::kDouble).unsqueeze(1);
}

LbfgsBounds bounds(const std::vector<double>& radius, double clamp, double growth = 2) {
  return {column(radius).to(at::kFloat),
          at::full({static_cast<std::int64_t>(radius.size()), 1}, clamp, at::kFloat), growth};
}

// A function of one row: its value, and its gradient [D].
struct Evaluated {
  double loss;
  at::Tensor gradient;
};
using Function = std::function<Evaluated(const at::Tensor&)>;

// All rows, each with a function of its own.
void update_all(Lbfgs& search, const std::vector<Function>& functions) {
  std::vector<double> losses;
  std::vector<at::Tensor> gradients;
  std::vector<std::int64_t> index;
  for (std::size_t u = 0; u < functions.size(); ++u) {
    const Evaluated at = functions[u](search.values()[static_cast<std::int64_t>(u)]);
    losses.push_back(at.loss);
    gradients.push_back(at.gradient);
    index.push_back(static_cast<std::int64_t>(u));
  }
  search.update(rows(index), column(losses), at::stack(gradients));
}

// A sum of parabolas with the given curvatures and minimum.
Function bowl(const std::vector<float>& curvature, const std::vector<float>& lowest) {
  return [c = at::tensor(curvature), m = at::tensor(lowest)](const at::Tensor& x) {
    return Evaluated{0.5 * (c * (x - m).square()).sum().item<double>(), c * (x - m)};
  };
}

Evaluated rosenbrock(const at::Tensor& at) {
  const double x = at[0].item<double>(), y = at[1].item<double>(), steep = y - x * x;
  return {(1 - x) * (1 - x) + 100 * steep * steep,
          at::tensor({-2 * (1 - x) - 400 * x * steep, 200 * steep}).to(at::kFloat)};
}

TEST(Lbfgs, FirstStepFollowsTheGradientAsLongAsTheRadius) {
  Lbfgs search(at::zeros({2, 2}), bounds({0.5, 2}, 100));
  search.update(rows({0, 1}), column({1, 1}), at::tensor({3.0f, -4.0f, 0.0f, 1e-6f}).view({2, 2}));
  EXPECT_TRUE(near(search.values(), at::tensor({-0.3f, 0.4f, 0.0f, -2.0f}).view({2, 2}), 1e-6));
}

// f = (x - 3)^2 / 2 from 0: radius 1 to x = 1; the pair s = 1, y = 1 gives Newton's step 2, which the radius,
// grown to 1.5, cuts to x = 2.5; then 0.5, in full, to the lowest point.
TEST(Lbfgs, StepsOfAParabolaAreExact) {
  Lbfgs search(at::zeros({1, 1}), bounds({1}, 100, 1.5));
  const std::vector<Function> parabola = {bowl({1}, {3})};
  for (const double x : {1.0, 2.5, 3.0}) {
    update_all(search, parabola);
    EXPECT_NEAR(search.values().item<float>(), x, 1e-5);
  }
}

// f = 2 x^2 from 1, radius 5: the step lands at -4, where the loss is 32 against 2; 0.4 of the step at -1,
// where it has not fallen; 0.4 of that at 0.2, which is accepted. The pair gives the lowest point.
TEST(Lbfgs, ARejectedStepIsShortened) {
  Lbfgs search(at::ones({1, 1}), bounds({5}, 100));
  const std::vector<Function> parabola = {bowl({4}, {0})};
  for (const double x : {-4.0, -1.0, 0.2, 0.0}) {
    update_all(search, parabola);
    EXPECT_NEAR(search.values().item<float>(), x, 1e-5);
  }
}

// The radius of 4 was halved once and has not grown; -x bends nowhere, so that the next step is as long.
TEST(Lbfgs, ARejectedStepHalvesTheRadius) {
  Lbfgs search(at::zeros({1, 1}), bounds({4}, 100));
  search.update(rows({0}), column({0}), at::full({1, 1}, -1.0f));
  EXPECT_NEAR(search.values().item<float>(), 4, 1e-6);
  search.update(rows({0}), column({1}), at::full({1, 1}, -1.0f));
  EXPECT_NEAR(search.values().item<float>(), 1.6, 1e-6);
  search.update(rows({0}), column({-1}), at::full({1, 1}, -1.0f));
  EXPECT_NEAR(search.values().item<float>(), 1.6 + 2, 1e-6);
}

// Where y = 0 or s.y < 0 no pair is kept: the steps follow the gradient, and each grows.
TEST(Lbfgs, APairThatBendsDownIsDropped) {
  Lbfgs search(at::zeros({1, 1}), bounds({1}, 100));
  double x = 0, length = 1;
  for (int step = 0; step < 4; ++step) {
    search.update(rows({0}), column({-x * x - x}), at::full({1, 1}, -2 * x - 1, at::kFloat));
    x += length;
    length *= 2;
    EXPECT_NEAR(search.values().item<float>(), x, 1e-5);
  }
}

TEST(Lbfgs, NeverLeavesTheClampAndSlidesAlongIt) {
  Lbfgs search(at::tensor({1.0f, -1.5f}).unsqueeze(0), bounds({1}, 2));
  const std::vector<Function> outside = {bowl({1, 1}, {3, 4})};
  for (int i = 0; i < 20; ++i) {
    update_all(search, outside);
    EXPECT_LE(search.values().norm().item<float>(), 2 * (1 + 1e-6));
  }
  EXPECT_TRUE(near(search.values()[0], at::tensor({1.2f, 1.6f}), 1e-2)) << "the nearest point of the ball";
}

TEST(Lbfgs, FindsTheEndOfACurvedValley) {
  Lbfgs search(at::tensor({-1.2f, 1.0f}).unsqueeze(0), bounds({0.3}, 10));
  int evaluations = 0;
  while (rosenbrock(search.values()[0]).loss > 1e-6 && ++evaluations < 100) update_all(search, {rosenbrock});
  EXPECT_LT(evaluations, 80);
}

TEST(Lbfgs, AcceptedLossesNeverRise) {
  Lbfgs search(at::tensor({-1.2f, 1.0f}).unsqueeze(0), bounds({2}, 10));
  at::Tensor base = search.values()[0].clone();
  double accepted = std::numeric_limits<double>::infinity();
  int rejected = 0;
  for (int i = 0; i < 60; ++i) {
    const at::Tensor point = search.values()[0].clone();
    const double loss = rosenbrock(point).loss;
    update_all(search, {rosenbrock});
    if (loss < accepted) {
      accepted = loss;
      base = point;
    } else if (loss > accepted) {
      ++rejected;
      EXPECT_TRUE(near(search.values()[0], base + 0.4 * (point - base), 1e-5)) << "evaluation " << i;
    }
  }
  EXPECT_LT(accepted, 1e-3);
  EXPECT_GT(rejected, 0) << "a radius of 2 must have been too long somewhere";
}

TEST(Lbfgs, ManyCurvaturesTakeFewEvaluations) {
  const std::vector<Function> bowls = {bowl({1, 3, 10, 30}, {1, -1, 2, 0.5})};
  Lbfgs search(at::zeros({1, 4}), bounds({1}, 100));
  for (int i = 0; i < 25; ++i) update_all(search, bowls);
  EXPECT_TRUE(near(search.values()[0], at::tensor({1.0f, -1.0f, 2.0f, 0.5f}), 1e-3));
}

TEST(Lbfgs, ARowDoesNotDependOnTheOthers) {
  const std::vector<Function> functions = {rosenbrock, bowl({1, 30}, {3, 4}), bowl({2, 0.1}, {-5, 1})};
  const std::vector<double> radii = {0.3, 1, 4};
  Lbfgs together(at::zeros({3, 2}), bounds(radii, 6));
  std::vector<Lbfgs> alone;
  for (const double radius : radii) alone.emplace_back(at::zeros({1, 2}), bounds({radius}, 6));
  for (int i = 0; i < 12; ++i) {
    update_all(together, functions);
    for (std::size_t u = 0; u < 3; ++u) {
      update_all(alone[u], {functions[u]});
      EXPECT_TRUE(near(together.values()[static_cast<std::int64_t>(u)], alone[u].values()[0], 1e-6));
    }
  }
}

TEST(Lbfgs, ARowThatTakesNoPartStays) {
  const Function valley = bowl({1, 30}, {3, 4});
  Lbfgs both(at::zeros({2, 2}), bounds({1, 1}, 100)), alone(at::zeros({1, 2}), bounds({1}, 100));
  for (int i = 0; i < 5; ++i) {
    const at::Tensor rested = both.values()[1].clone();
    const Evaluated at = valley(both.values()[0]);
    both.update(rows({0}), column({at.loss}), at.gradient.unsqueeze(0));
    EXPECT_TRUE(at::equal(both.values()[1], rested));
    const Evaluated other = valley(both.values()[1]);
    both.update(rows({1}), column({other.loss}), other.gradient.unsqueeze(0));
    update_all(alone, {valley});
    EXPECT_TRUE(near(both.values()[0], alone.values()[0], 1e-6));
    EXPECT_TRUE(near(both.values()[1], alone.values()[0], 1e-6));
  }
}

TEST(Lbfgs, ANumberThatIsNoneStaysInItsRow) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Lbfgs together(at::zeros({2, 2}), bounds({1, 1}, 100)), alone(at::zeros({1, 2}), bounds({1}, 100));
  const Function good = bowl({1, 30}, {3, 4});
  const Function bad = [&](const at::Tensor&) { return Evaluated{nan, at::full({2}, nan)}; };
  for (int i = 0; i < 6; ++i) {
    update_all(together, {good, bad});
    update_all(alone, {good});
    EXPECT_TRUE(near(together.values()[0], alone.values()[0], 1e-6));
  }
}

// Another function's loss is higher here; that is no rise, and what it says is taken from where the row is.
TEST(Lbfgs, AChangedLossIsTakenAsItIs) {
  Lbfgs search(at::zeros({1, 1}), bounds({1}, 100));
  update_all(search, {bowl({1}, {3})});
  search.change_loss(rows({0}));
  search.update(rows({0}), column({1000}), at::full({1, 1}, -2.0f));
  EXPECT_NEAR(search.values().item<float>(), 1 + 1, 1e-5) << "from 1 on, by the radius";
}

}  // namespace
}  // namespace emend::editors
