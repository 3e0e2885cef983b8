#include "linalg/bounded_answers.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <cmath>

#include "base/expect_error.h"
#include "linalg/key_constraints.h"
#include "linalg/response_solver.h"
#include "support/model_files.h"
#include "support/random_matrices.h"

namespace emend {
namespace {

using test::error_of;
using test::near;
using test::normals;
using ::testing::HasSubstr;

at::Tensor reals(const std::vector<double>& values) {
  return at::tensor(values, at::kDouble);
}

// Under C = I.
at::Tensor slack_of(const at::Tensor& K, const at::Tensor& y, const at::Tensor& P, const at::Tensor& bounds) {
  const at::Tensor all = at::cat({K, P}, 1);
  return slack_within(at::matmul(all.t(), all), y, bounds);
}

// The response that a key_response with this slack gives, without the keys that need not be held.
at::Tensor response_with(const at::Tensor& K, const at::Tensor& y, const at::Tensor& P,
                         const at::Tensor& slack) {
  const at::Tensor held = at::nonzero(at::isfinite(slack)).squeeze(1);
  const KeyConstraint all = with_protected({K, y}, P.index_select(1, held), slack.index_select(0, held));
  return key_response({}, all.K, all.y, all.slack);
}

// a = (1, 0) answers 0.6 at (0.6, 0.8); (1, -0.5) answers 0.2 there, with the multiplier -0.5 / 0.8 = -0.625.
TEST(BoundedAnswers, OneKeyByHand) {
  const at::Tensor K = reals({1, 0}).unsqueeze(1), P = reals({0.6, 0.8}).unsqueeze(1), y = reals({1});
  const at::Tensor slack = slack_of(K, y, P, reals({0.2}));
  EXPECT_NEAR(slack.item<double>(), 0.2 / 0.625, 1e-12);
  EXPECT_TRUE(near(response_with(K, y, P, slack), reals({1, -0.5}), 1e-12));
  const at::Tensor longer = slack_of(K, y, 10 * P, reals({2}));
  EXPECT_NEAR(longer.item<double>(), 0.2 / 0.625, 1e-12) << "in units of the key's own length";
}

TEST(BoundedAnswers, AKeyWithinItsBoundIsNotHeldAndABoundOfZeroIsExact) {
  const at::Tensor K = reals({1, 0}).unsqueeze(1), P = reals({0.6, 0.8}).unsqueeze(1), y = reals({1});
  EXPECT_TRUE(std::isinf(slack_of(K, y, P, reals({0.61})).item<double>()));
  const at::Tensor exact = slack_of(K, y, P, reals({0}));
  EXPECT_EQ(exact.item<double>(), 0);
  EXPECT_TRUE(near(response_with(K, y, P, exact), reals({1, -0.75}), 1e-12));
}

// The second key is answered 0 without being held, which later keys may change.
TEST(BoundedAnswers, ABoundOfZeroIsExactThoughTheAnswerIsZeroAlready) {
  const at::Tensor K = reals({1, 0, 0}).unsqueeze(1), y = reals({1});
  const at::Tensor P = at::stack({reals({0.6, 0.8, 0}), reals({0, 0, 1})}, 1);
  EXPECT_TRUE(at::equal(slack_of(K, y, P, reals({0, 0})), reals({0, 0})));
  const at::Tensor mixed = slack_of(K, y, P, reals({0.2, 0}));
  EXPECT_GT(mixed[0].item<double>(), 0);
  EXPECT_EQ(mixed[1].item<double>(), 0);
}

TEST(BoundedAnswers, AreTheQuietestWithinTheirBounds) {
  const std::int64_t F = 24, p = 12;
  const at::Tensor common = normals(F, 1, 1);  // keys of near subjects have much in common
  const at::Tensor K = common + normals(F, 2, 2), P = common + normals(F, p, 3), y = reals({1, 1});
  const at::Tensor bounds = at::full({p}, 0.1, at::kDouble);
  const at::Tensor slack = slack_of(K, y, P, bounds);
  const at::Tensor a = response_with(K, y, P, slack), answers = at::mv(P.t(), a);
  EXPECT_TRUE(near(at::mv(K.t(), a), y, 1e-9));
  EXPECT_LT(answers.abs().max().item<double>(), 0.1 + 1e-8);
  const std::int64_t held = at::isfinite(slack).sum().item<std::int64_t>();
  ASSERT_GT(held, 0);
  ASSERT_LT(held, p) << "some keep their bound by themselves";
  EXPECT_TRUE(near(answers.abs().masked_select(at::isfinite(slack)), bounds.slice(0, 0, held), 1e-8));
  const double norm = a.norm().item<double>();
  const at::Tensor all_exact = response_with(K, y, P, at::zeros({p}, at::kDouble));
  EXPECT_LT(norm, all_exact.norm().item<double>());
  // No response within the bounds is shorter: the way from this one to another within them leads upwards.
  for (std::uint64_t seed = 4; seed < 12; ++seed) {
    const at::Tensor wish = bounds * (2 * at::sigmoid(normals(p, 1, seed).squeeze(1)) - 1);
    const at::Tensor both = at::cat({K, P}, 1);
    const at::Tensor other = key_response({}, both, at::cat({y, wish}));
    EXPECT_GT(at::dot(a, other - a).item<double>(), -1e-8);
  }
}

TEST(BoundedAnswers, DependentKeys) {
  const at::Tensor k = reals({1, 2}).unsqueeze(1), y = reals({1});
  EXPECT_TRUE(std::isinf(slack_of(k, y, 2 * k, reals({0.1})).item<double>())) << "nothing can hold it";
  EXPECT_THAT(error_of(ErrorKind::kNumeric,
                       [&] {
                         slack_of(at::cat({k, k}, 1), reals({1, 1}), k, reals({0.1}));
                       }),
              HasSubstr("linearly dependent"));
}

}  // namespace
}  // namespace emend
