#include "linalg/key_constraints.h"

#include <gmock/gmock.h>

#include <chrono>

#include "linalg/response_solver.h"
#include "support/model_files.h"
#include "support/random_matrices.h"

namespace emend {
namespace {

using test::near;
using test::normals;
using ::testing::ElementsAre;

at::Tensor numbers(const std::vector<double>& values) {
  return at::tensor(values, at::kDouble);
}

// Keys of two elements, one a column.
KeyConstraint held(const std::vector<std::vector<double>>& keys, const std::vector<double>& answers) {
  std::vector<at::Tensor> columns;
  for (const auto& key : keys) columns.push_back(numbers(key));
  return {at::stack(columns, 1), numbers(answers)};
}

TEST(KeyConstraints, AProtectedKeyIsAColumnThatIsAnsweredWithZero) {
  const KeyConstraint own = held({{1, 2}}, {1});
  const KeyConstraint both = with_protected(own, numbers({3, 4}));
  EXPECT_TRUE(near(both.K, numbers({1, 3, 2, 4}).view({2, 2}), 0));
  EXPECT_TRUE(near(both.y, numbers({1, 0}), 0));
  EXPECT_EQ(with_protected(own, {}).K.size(1), 1);
  EXPECT_FALSE(both.slack.defined());
  const KeyConstraint soft = with_protected(own, numbers({3, 4}).unsqueeze(1), numbers({0.5}));
  EXPECT_TRUE(at::equal(soft.slack, numbers({0, 0.5})));
  const JointConstraints joint = join_constraints({soft, both}, numbers({9, 9}));
  EXPECT_TRUE(at::equal(joint.slack, numbers({0, 0, 0}))) << "a key that one of them wants exact is exact";
  EXPECT_TRUE(at::equal(join_constraints({soft}, numbers({9, 9})).slack, numbers({0, 0.5, 0})));
}

TEST(KeyConstraints, JoinedKeepTheOrderOfTheirKeys) {
  const JointConstraints joint =
      join_constraints({held({{1, 0}, {2, 0}}, {1, 0.5}), held({{0, 1}}, {1})}, numbers({5, 5}));
  EXPECT_TRUE(near(joint.K, numbers({1, 2, 0, 5, 0, 0, 1, 5}).view({2, 4}), 0));
  EXPECT_TRUE(near(joint.Y, numbers({1, 0, 0.5, 0, 0, 1, 0, 0}).view({4, 2}), 0));
  EXPECT_FALSE(joint.contested);
  EXPECT_TRUE(joint.K.t().is_contiguous());
}

TEST(KeyConstraints, AKeyThatSeveralProtectIsOneColumn) {
  const JointConstraints joint =
      join_constraints({held({{1, 0}, {7, 7}}, {1, 0}), held({{0, 1}, {7, 7}}, {1, 0}), held({{2, 2}}, {1})});
  EXPECT_TRUE(near(joint.K, numbers({1, 7, 0, 2, 0, 7, 1, 2}).view({2, 4}), 0));
  EXPECT_TRUE(near(joint.Y, numbers({1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1}).view({4, 3}), 0));
  EXPECT_FALSE(joint.contested);
}

TEST(KeyConstraints, TwoAnswersAtOneKeyAreContested) {
  const JointConstraints joint = join_constraints({held({{1, 0}}, {1}), held({{1, 0}, {0, 1}}, {1, 1})});
  EXPECT_EQ(joint.K.size(1), 2);
  EXPECT_TRUE(near(joint.Y, numbers({1, 1, 0, 1}).view({2, 2}), 0));
  EXPECT_TRUE(joint.contested);
  // A key that one of them answers and another protects is no contest for the answer.
  EXPECT_FALSE(join_constraints({held({{1, 0}}, {1}), held({{1, 0}, {0, 1}}, {0, 1})}).contested);
}

// Where each of them is measured, in the joint system.
TEST(KeyConstraints, TheFirstKeyOfEachHasItsColumn) {
  const JointConstraints joint =
      join_constraints({held({{1, 0}, {7, 7}}, {1, 0}), held({{7, 7}}, {1}), held({{0, 1}, {1, 0}}, {1, 1})});
  EXPECT_THAT(joint.first, ElementsAre(0, 1, 2));
  EXPECT_TRUE(near(joint.K.select(1, 2), numbers({0, 1}), 0));
}

TEST(KeyConstraints, ZeroHasOneValue) {
  EXPECT_EQ(join_constraints({held({{0.0, 1}}, {1}), held({{-0.0, 1}}, {1})}).K.size(1), 1);
  EXPECT_EQ(join_constraints({held({{0.0, 1}}, {1}), held({{1e-300, 1}}, {1})}).K.size(1), 2);
}

// Keys are told apart by all of their elements, also where they are long and differ in one.
TEST(KeyConstraints, LongKeysThatDifferInOneElementAreTwo) {
  constexpr std::int64_t kSize = 1000;
  const at::Tensor key = normals(kSize, 1, 9);
  std::vector<KeyConstraint> each = {{key, at::ones({1}, at::kDouble)}};
  for (const std::int64_t place : {0, 1, 499, 999}) {
    at::Tensor other = key.clone();
    other[place] += 1;
    each.push_back({other, at::ones({1}, at::kDouble)});
  }
  each.push_back(each[2]);
  EXPECT_EQ(join_constraints(each).K.size(1), 5);
  EXPECT_THAT(group_equal(each), ElementsAre(0, 1, 2, 3, 4, 2));
}

TEST(KeyConstraints, EqualOnesAreOneGroup) {
  const KeyConstraint a = held({{1, 0}, {7, 7}}, {1, 0}), other_answer = held({{1, 0}, {7, 7}}, {1, 0.5}),
                      other_key = held({{1, 0}, {7, 8}}, {1, 0}), shorter = held({{1, 0}}, {1});
  EXPECT_THAT(group_equal({a, other_answer, a, other_key, shorter, other_key}),
              ElementsAre(0, 1, 0, 2, 3, 2));
  EXPECT_THAT(group_equal({}), ElementsAre());
}

// 10,000 facts of two keys each, and one that all protect: a dense Y would be 1.6 GB, and comparing each with
// each take hours.
TEST(KeyConstraints, TenThousandAreJoinedAndGroupedAtOnce) {
  constexpr std::int64_t kFacts = 10000, kSize = 8;
  const at::Tensor keys = normals(2 * kFacts, kSize, 5), sink = at::ones({kSize}, at::kDouble);
  std::vector<KeyConstraint> each;
  for (std::int64_t i = 0; i < kFacts; ++i)
    each.push_back(with_protected({keys.narrow(0, 2 * i, 2).t(), at::tensor({1.0, 0.5}, at::kDouble)}, sink));
  const auto began = std::chrono::steady_clock::now();
  const JointConstraints joint = join_constraints(each);
  const std::vector<std::size_t> groups = group_equal(each);
  const double lambda = 3;
  const at::Tensor a = least_squares_response(KeyMetric(), joint.K, joint.Y, lambda);
  EXPECT_LT(std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count(), 60);

  EXPECT_EQ(groups.back(), static_cast<std::size_t>(kFacts - 1));
  ASSERT_EQ(joint.K.sizes(), at::IntArrayRef({kSize, 2 * kFacts + 1}));
  EXPECT_FALSE(joint.contested);
  ASSERT_TRUE(joint.Y.is_sparse());
  EXPECT_EQ(joint.Y.coalesce()._nnz(), 2 * kFacts);
  // (lambda I + K K^T) a_g = k_g + l_g / 2
  const at::Tensor left = at::matmul(joint.K, joint.K.t()) + lambda * at::eye(kSize, at::kDouble);
  const at::Tensor right = (keys.slice(0, 0, 2 * kFacts, 2) + keys.slice(0, 1, 2 * kFacts, 2) / 2).t();
  EXPECT_TRUE(near(at::matmul(left, a), right, 1e-8));
}

TEST(KeyConstraints, AKeyThatOneConstraintHoldsTwiceIsAnsweredOnce) {
  const JointConstraints joint = join_constraints({held({{1, 0}, {1, 0}}, {1, 1}), held({{0, 1}}, {1})});
  EXPECT_TRUE(near(joint.Y, numbers({1, 0, 0, 1}).view({2, 2}), 0));
  EXPECT_FALSE(joint.contested);
}

// Delta = R_Y (K^T C^-1 K)^-1 K^T C^-1 with R_Y = R Y^T the residual wanted at each key, term by term.
TEST(KeyConstraints, JoinedResponsesGiveTheJointUpdate) {
  constexpr std::int64_t kSize = 40;
  const at::Tensor keys = normals(300, kSize, 1) * at::logspace(-2, 1, kSize, 10.0, at::kDouble);
  const at::Tensor C = at::matmul(keys.t(), keys) / 300, K = normals(kSize, 4, 2);
  const KeyMetric metric(std::make_shared<SpdFactor>(C, 0, "C"), C);
  const JointConstraints joint = join_constraints(
      {{K.narrow(1, 0, 2), at::ones({2}, at::kDouble)}, {K.narrow(1, 2, 1), at::ones({1}, at::kDouble)}},
      K.select(1, 3));
  EXPECT_TRUE(near(joint.K, K, 0));
  const at::Tensor a = key_response(metric, joint.K, joint.Y), R = normals(6, 2, 3);
  const at::Tensor R_Y =
      at::stack({R.select(1, 0), R.select(1, 0), R.select(1, 1), at::zeros({6}, at::kDouble)}, 1);
  const at::Tensor solved = at::matmul(at::linalg_inv(C), K);
  const at::Tensor delta = at::matmul(R_Y, at::matmul(at::linalg_inv(at::matmul(K.t(), solved)), solved.t()));
  EXPECT_TRUE(near(at::matmul(R, a.t()), delta, 1e-8));
}

}  // namespace
}  // namespace emend
