#include "editors/common/closed_form.h"

#include <cmath>

#include "base/expect_error.h"
#include "support/model_files.h"

namespace emend {
namespace {

using test::near;

at::Tensor normals(std::int64_t rows, std::int64_t columns, std::uint64_t seed) {
  at::Generator generator = at::globalContext().defaultGenerator(at::kCPU).clone();
  generator.set_current_seed(seed);
  return at::empty({rows, columns}, at::kDouble).normal_(0, 1, generator);
}

class KeyResponse : public ::testing::Test {
 protected:
  static constexpr std::int64_t kSize = 40;
  KeyResponse() {
    const at::Tensor keys = normals(300, kSize, 1) * at::logspace(-2, 1, kSize, 10.0, at::kDouble);
    C_ = at::matmul(keys.t(), keys) / 300;
    metric_ = KeyMetric(std::make_shared<SpdFactor>(C_, 0, "C"));
    K_ = normals(kSize, 4, 2);
    K_.select(1, 3) *= 1000;  // a sink's key is far longer than a subject's
    y_ = at::tensor({1.0, 1.0, 0.0, 0.0}, at::kDouble);
  }
  double energy(const at::Tensor& a) const { return at::dot(a, at::mv(C_, a)).item<double>(); }

  at::Tensor C_, K_, y_;
  KeyMetric metric_;
};

TEST_F(KeyResponse, AnswersItsKeys) {
  const at::Tensor a = key_response(metric_, K_, y_);
  const at::Tensor length = K_.norm(2, 0).clamp_min(1);
  EXPECT_TRUE(near(at::mv(K_.t(), a) / length, y_ / length, 1e-8));
  EXPECT_TRUE(near(at::mv(K_.t(), a).narrow(0, 0, 3), y_.narrow(0, 0, 3), 1e-8));
}

TEST_F(KeyResponse, IsTheQuietestOfAllThatDo) {
  const at::Tensor a = key_response(metric_, K_, y_);
  const at::Tensor q = std::get<0>(at::linalg_qr(K_));
  for (std::uint64_t seed = 10; seed < 20; ++seed) {
    at::Tensor d = normals(kSize, 1, seed).squeeze(1);
    d = d - at::mv(q, at::mv(q.t(), d));  // K^T d = 0
    ASSERT_LT(at::mv(K_.t(), d).abs().max().item<double>(), 1e-9 * 1000);
    for (const double step : {1e-3, -1e-3, 1.0}) EXPECT_GT(energy(a + step * d), energy(a));
    // Stationary: the slope of a^T C a along d vanishes.
    EXPECT_NEAR(at::dot(d, at::mv(C_, a)).item<double>(), 0, 1e-8 * std::sqrt(energy(d) * energy(a)) + 1e-12);
  }
}

TEST_F(KeyResponse, OfOneKeyIsRomesDirection) {
  const at::Tensor k = K_.narrow(1, 0, 1);
  const at::Tensor u = metric_.solve(k).squeeze(1);
  EXPECT_TRUE(near(key_response(metric_, k, at::ones({1}, at::kDouble)), u / at::dot(u, k.squeeze(1)), 1e-9));
}

TEST_F(KeyResponse, WithoutStatisticsIsTheSmallestVector) {
  const at::Tensor a = key_response(KeyMetric(), K_, y_);
  EXPECT_TRUE(near(a, at::mv(at::linalg_pinv(K_.t()), y_), 1e-9));
  EXPECT_EQ(KeyMetric().condition(), 1);
}

TEST_F(KeyResponse, SeveralRightSidesAreEachTheirOwn) {
  const at::Tensor Y = at::stack({y_, at::tensor({0.0, 1.0, 0.0, 2.0}, at::kDouble)}, 1);
  const at::Tensor both = key_response(metric_, K_, Y);
  EXPECT_TRUE(near(both.select(1, 0), key_response(metric_, K_, y_), 1e-10));
  EXPECT_TRUE(near(at::matmul(K_.t(), both).narrow(0, 0, 3), Y.narrow(0, 0, 3), 1e-8));
}

TEST_F(KeyResponse, DependentKeysAreRefused) {
  const at::Tensor K = at::cat({K_, 2 * K_.narrow(1, 1, 1)}, 1);
  EXPECT_NE(test::error_of(ErrorKind::kNumeric, [&] { key_response(metric_, K, at::ones({5}, at::kDouble)); })
                .find("dependent"),
            std::string::npos);
}

TEST_F(KeyResponse, CosinesAreThoseOfTheInverseMoment) {
  const at::Tensor found = key_cosines(metric_, K_);
  const at::Tensor gram = at::matmul(K_.t(), at::matmul(at::linalg_inv(C_), K_));
  for (std::int64_t i = 0; i < 4; ++i)
    for (std::int64_t j = 0; j < 4; ++j)
      EXPECT_NEAR(found[i][j].item<double>(), (gram[i][j] / (gram[i][i] * gram[j][j]).sqrt()).item<double>(),
                  1e-9);
  EXPECT_NEAR(
      key_cosines(metric_, at::cat({K_.narrow(1, 0, 1), -3 * K_.narrow(1, 0, 1)}, 1))[0][1].item<double>(),
      -1, 1e-9);
}

TEST_F(KeyResponse, AProtectedKeyIsAnsweredWithZero) {
  const KeyConstraint own = {K_.narrow(1, 0, 1), at::ones({1}, at::kDouble)};
  const KeyConstraint held = with_protected(own, K_.select(1, 1));
  EXPECT_TRUE(near(held.K, K_.narrow(1, 0, 2), 0));
  EXPECT_TRUE(near(held.y, at::tensor({1.0, 0.0}, at::kDouble), 0));
  EXPECT_EQ(with_protected(own, {}).K.size(1), 1);
}

// Delta = R_Y (K^T C^-1 K)^-1 K^T C^-1, term by term.
TEST_F(KeyResponse, JointResponsesGiveTheJointUpdate) {
  const at::Tensor two = at::ones({2}, at::kDouble), one = at::ones({1}, at::kDouble);
  const std::vector<KeyConstraint> edits = {{K_.narrow(1, 0, 2), two}, {K_.narrow(1, 2, 1), one}};
  const at::Tensor a = joint_key_response(metric_, edits, K_.select(1, 3));
  EXPECT_TRUE(near(joint_keys(edits, K_.select(1, 3)), K_, 0));
  const at::Tensor R = normals(6, 2, 3);
  const at::Tensor R_Y =
      at::stack({R.select(1, 0), R.select(1, 0), R.select(1, 1), at::zeros({6}, at::kDouble)}, 1);
  const at::Tensor solved = at::matmul(at::linalg_inv(C_), K_);
  const at::Tensor delta =
      at::matmul(R_Y, at::matmul(at::linalg_inv(at::matmul(K_.t(), solved)), solved.t()));
  EXPECT_TRUE(near(at::matmul(R, a.t()), delta, 1e-8));
  const WeightRef weight{4, Role::kMlpDown};
  const WeightChange change =
      closed_form_change(weight, {a.select(1, 0), a.select(1, 1)}, {R.select(1, 0), R.select(1, 1)});
  EXPECT_EQ(change.weight, weight);
  EXPECT_TRUE(near(at::matmul(change.B, change.A), delta.to(at::kFloat), 1e-5));
}

TEST_F(KeyResponse, ThePublishedOneHasTheDirectionOfOneKeyAndAnswersAnother) {
  const at::Tensor mean = K_.select(1, 0), bare = K_.select(1, 1);
  const auto a = published_response(metric_, mean, bare);
  ASSERT_TRUE(a.has_value());
  EXPECT_NEAR(at::dot(*a, bare).item<double>(), 1, 1e-9);
  EXPECT_NEAR(
      std::abs(at::cosine_similarity(*a, metric_.solve(mean.unsqueeze(1)).squeeze(1), 0).item<double>()), 1,
      1e-12);
  const at::Tensor e0 = at::eye(kSize, at::kDouble)[0], e1 = at::eye(kSize, at::kDouble)[1];
  EXPECT_FALSE(published_response(KeyMetric(), e0, e1).has_value());
}

TEST(GramCondition, IsTheRatioOfEigenvalues) {
  EXPECT_NEAR(gram_condition(at::diag(at::tensor({4.0, 1.0, 0.5}, at::kDouble))), 8, 1e-12);
  EXPECT_TRUE(std::isinf(gram_condition(at::ones({2, 2}, at::kDouble) - 1e-9 * at::eye(2, at::kDouble))));
}

}  // namespace
}  // namespace emend
