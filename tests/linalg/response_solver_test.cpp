#include "linalg/response_solver.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/expect_error.h"
#include "support/model_files.h"
#include "support/random_matrices.h"

namespace emend {
namespace {

using test::near;
using test::normals;
using ::testing::HasSubstr;

class KeyResponse : public ::testing::Test {
 protected:
  static constexpr std::int64_t kSize = 40;
  KeyResponse() {
    const at::Tensor keys = normals(300, kSize, 1) * at::logspace(-2, 1, kSize, 10.0, at::kDouble);
    C_ = at::matmul(keys.t(), keys) / 300;
    metric_ = KeyMetric(std::make_shared<SpdFactor>(C_, 0, "C"), C_);
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

// The mean over the keys themselves, whatever the ridge of the solves; a diagonal counts as diag(C).
TEST_F(KeyResponse, SharesOfTextAreRootMeanSquaresOverItsKeys) {
  const at::Tensor keys = normals(300, kSize, 1) * at::logspace(-2, 1, kSize, 10.0, at::kDouble);
  const at::Tensor A = key_response(metric_, K_, at::eye(4, at::kDouble));
  const KeyMetric ridged(std::make_shared<SpdFactor>(C_, 0.5, "C"), C_);
  const KeyMetric stored(std::make_shared<SpdFactor>(C_, 0, "C"), C_.to(at::kFloat));
  const at::Tensor expected = at::matmul(keys, A).square().mean(0).sqrt();
  for (const auto& [metric, tolerance] : {std::pair{metric_, 1e-10}, {ridged, 1e-10}, {stored, 1e-5}})
    EXPECT_TRUE(near(shares_of_text(metric, A) / expected, at::ones_like(expected), tolerance));
  const KeyMetric diagonal(std::make_shared<SpdFactor>(C_.diagonal().clone(), 0, "C"), C_.diagonal().clone());
  EXPECT_TRUE(
      near(shares_of_text(diagonal, A), (A.square() * C_.diagonal().unsqueeze(1)).sum(0).sqrt(), 1e-10));
  EXPECT_FALSE(shares_of_text(KeyMetric(), A).defined());
}

TEST_F(KeyResponse, SlackKeysAreMissedForAQuieterResponse) {
  const at::Tensor slack = at::tensor({0.0, 0.0, 0.1, 0.0}, at::kDouble);
  const at::Tensor exact = key_response(metric_, K_, y_), a = key_response(metric_, K_, y_, slack);
  const at::Tensor answers = at::mv(K_.t(), a);
  EXPECT_NEAR(answers[0].item<double>(), 1, 1e-8);
  EXPECT_NEAR(answers[1].item<double>(), 1, 1e-8);
  EXPECT_NE(answers[2].item<double>(), 0);
  EXPECT_LT(energy(a), energy(exact));
  // The minimum of a^T C a + (a^T k)^2 / S over all that answer the exact keys.
  const at::Tensor k = K_.select(1, 2);
  const double S = 0.1 * at::dot(k, metric_.solve(k.unsqueeze(1)).squeeze(1)).item<double>();
  const auto cost = [&](const at::Tensor& response) {
    const double missed = at::dot(response, k).item<double>();
    return energy(response) + missed * missed / S;
  };
  const at::Tensor q = std::get<0>(at::linalg_qr(K_.index_select(1, at::tensor({0, 1, 3}, at::kLong))));
  for (std::uint64_t seed = 10; seed < 20; ++seed) {
    at::Tensor d = normals(kSize, 1, seed).squeeze(1);
    d = d - at::mv(q, at::mv(q.t(), d));
    for (const double step : {-1e-3, 1e-3}) EXPECT_GT(cost(a + step * d), cost(a));
  }
  EXPECT_TRUE(at::equal(key_response(metric_, K_, y_, at::zeros({4}, at::kDouble)), exact));
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

TEST_F(KeyResponse, CosinesInStripsAreThoseOfTheWholeMatrix) {
  const at::Tensor whole = key_cosines(metric_, K_);
  std::int64_t next = 0;
  each_cosine_strip(metric_, K_, 3, [&](std::int64_t first, const at::Tensor& cosines) {
    EXPECT_EQ(first, next);
    next += cosines.size(0);
    EXPECT_TRUE(near(cosines, whole.slice(0, first, next).slice(1, first), 1e-12)) << first;
  });
  EXPECT_EQ(next, 4);
}

TEST(GramCondition, IsTheRatioOfEigenvalues) {
  EXPECT_NEAR(gram_condition(at::diag(at::tensor({4.0, 1.0, 0.5}, at::kDouble))), 8, 1e-12);
  EXPECT_TRUE(std::isinf(gram_condition(at::ones({2, 2}, at::kDouble) - 1e-9 * at::eye(2, at::kDouble))));
}

// --- least squares

class LeastSquares : public KeyResponse {
 protected:
  LeastSquares() { K_.select(1, 3) /= 1000; }  // the plain formula bears no long key
  // (lambda C + K K^T)^-1 K Y, by the plain formula.
  at::Tensor plain(const at::Tensor& C, const at::Tensor& Y, double lambda) const {
    return at::linalg_solve(lambda * C + at::matmul(K_, K_.t()), at::matmul(K_, Y));
  }
  at::Tensor Y_ = at::stack(
      {at::tensor({1.0, 1.0, 0.0, 0.0}, at::kDouble), at::tensor({0.0, 0.0, 1.0, 0.0}, at::kDouble)}, 1);
};

// 3 / (0.5 * 2 + 9) for C = 2, K = 3; with y = 4 four times as much.
TEST(LeastSquaresByHand, OneNumber) {
  const at::Tensor C = at::full({1, 1}, 2.0, at::kDouble), K = at::full({1, 1}, 3.0, at::kDouble);
  const KeyMetric metric(std::make_shared<SpdFactor>(C, 0, "C"), C);
  for (const SolveSide side : {SolveSide::kKeys, SolveSide::kElements}) {
    const at::Tensor a = least_squares_response(metric, K, at::full({1}, 4.0, at::kDouble), 0.5, side);
    EXPECT_TRUE(near(a, at::full({1}, 1.2, at::kDouble), 1e-14));
  }
}

// C = I, keys e1 and 2 e2, lambda = 1: each element is k / (1 + k^2).
TEST(LeastSquaresByHand, ASparseRightSideIsTheSame) {
  const at::Tensor K = normals(5, 7, 1), Y = at::eye(7, at::kDouble);
  for (const SolveSide side : {SolveSide::kKeys, SolveSide::kElements})
    EXPECT_TRUE(near(least_squares_response(KeyMetric(), K, Y.to_sparse(), 2, side),
                     least_squares_response(KeyMetric(), K, Y, 2, side), 1e-14));
}

// Of more elements than a strip of the product has, with answers that are a sparse matrix: by the keys, by
// the elements and within a null space.
TEST(LeastSquaresByHand, ALargeSystemIsThePlainFormula) {
  constexpr std::int64_t kSize = 300, kKeys = 400;
  const at::Tensor text = normals(1000, kSize, 1), C = at::matmul(text.t(), text) / 1000;
  const at::Tensor K = normals(kSize, kKeys, 2);
  const at::Tensor Y = at::eye(kKeys, at::kDouble).slice(1, 0, 90);
  const at::Tensor plain = at::matmul(at::linalg_inv(3 * C + at::matmul(K, K.t())), at::matmul(K, Y));
  const KeyMetric metric(std::make_shared<SpdFactor>(C, 0, "C"), C);
  const Spectrum spectrum = spectrum_of(C, at::kCPU, "C");
  const NullSpace space = null_space_of(spectrum, threshold_for(spectrum, 0.95), "C");
  const at::Tensor U = space.basis, k = at::matmul(U.t(), K);
  const at::Tensor within =
      at::matmul(U, at::matmul(at::linalg_inv(3 * at::eye(U.size(1), at::kDouble) + at::matmul(k, k.t())),
                               at::matmul(k, Y)));
  for (const at::Tensor& answers : {Y, Y.to_sparse()})
    for (const SolveSide side : {SolveSide::kKeys, SolveSide::kElements}) {
      EXPECT_TRUE(near(least_squares_response(metric, K, answers, 3, side), plain, 1e-9));
      EXPECT_TRUE(near(null_space_response(space, K, answers, 3, side), within, 1e-9));
    }
}

TEST(LeastSquaresByHand, OrthogonalKeys) {
  const at::Tensor K = at::diag(at::tensor({1.0, 2.0}, at::kDouble)), Y = at::eye(2, at::kDouble);
  for (const SolveSide side : {SolveSide::kKeys, SolveSide::kElements})
    EXPECT_TRUE(near(least_squares_response(KeyMetric(), K, Y, 1, side),
                     at::diag(at::tensor({0.5, 0.4}, at::kDouble)), 1e-15));
}

TEST_F(LeastSquares, IsThePlainFormulaOnBothSides) {
  for (const double lambda : {0.1, 1.0, 50.0}) {
    const at::Tensor wanted = plain(C_, Y_, lambda);
    const double scale = wanted.abs().max().item<double>();
    for (const SolveSide side : {SolveSide::kKeys, SolveSide::kElements, SolveSide::kBySize})
      EXPECT_TRUE(near(least_squares_response(metric_, K_, Y_, lambda, side), wanted, 1e-8 * scale))
          << lambda;
    EXPECT_TRUE(near(least_squares_response(metric_, K_, Y_.select(1, 1), lambda), wanted.select(1, 1),
                     1e-8 * scale));
  }
}

TEST_F(LeastSquares, TheRidgeIsPartOfTheMoment) {
  const KeyMetric metric(std::make_shared<SpdFactor>(C_, 0.1, "C"), C_);
  const at::Tensor ridged = C_ + metric.info()->ridge * at::eye(kSize, at::kDouble);
  const at::Tensor wanted = plain(ridged, Y_, 2);
  const double scale = wanted.abs().max().item<double>();
  for (const SolveSide side : {SolveSide::kKeys, SolveSide::kElements})
    EXPECT_TRUE(near(least_squares_response(metric, K_, Y_, 2, side), wanted, 1e-9 * scale));
}

TEST_F(LeastSquares, MoreKeysThanElementsAreSolvedToo) {
  K_ = normals(kSize, 100, 4);
  const at::Tensor Y = normals(100, 3, 5), wanted = plain(C_, Y, 0.3);
  const double scale = wanted.abs().max().item<double>();
  for (const SolveSide side : {SolveSide::kKeys, SolveSide::kElements, SolveSide::kBySize})
    EXPECT_TRUE(near(least_squares_response(metric_, K_, Y, 0.3, side), wanted, 1e-8 * scale));
  const at::Tensor same = plain(at::eye(kSize, at::kDouble), Y, 0.3);  // C = I
  EXPECT_TRUE(near(least_squares_response(KeyMetric(), K_, Y, 0.3), same, 1e-10));
}

// The smallest lambda a^T C a + |K^T a - y|^2: every other vector costs more.
TEST_F(LeastSquares, IsTheBestCompromise) {
  const double lambda = 3;
  const at::Tensor a = least_squares_response(metric_, K_, y_, lambda);
  const auto cost = [&](const at::Tensor& x) {
    return lambda * energy(x) + (at::mv(K_.t(), x) - y_).square().sum().item<double>();
  };
  for (std::uint64_t seed = 10; seed < 20; ++seed) {
    const at::Tensor d = normals(kSize, 1, seed).squeeze(1);
    for (const double step : {1e-3, -1e-3, 1.0}) EXPECT_GT(cost(a + step * d), cost(a));
  }
}

TEST_F(LeastSquares, TendsToEqualityAsLambdaVanishes) {
  const at::Tensor exact = key_response(metric_, K_, y_);
  double last = std::numeric_limits<double>::infinity();
  for (const double lambda : {1e-1, 1e-3, 1e-5}) {
    const double gap = (least_squares_response(metric_, K_, y_, lambda) - exact).norm().item<double>();
    EXPECT_LT(gap, 0.1 * last);
    last = gap;
  }
  EXPECT_LT(last, 1e-3 * exact.norm().item<double>());
}

// EMMET with a ridge e on the Gram matrix and weight w on C is MEMIT with lambda = w e.
TEST_F(LeastSquares, EmmetWithARidgeIsMemit) {
  const double w = 7, e = 0.2;
  const at::Tensor solved = at::linalg_solve(w * C_, K_);
  const at::Tensor gram = at::matmul(K_.t(), solved) + e * at::eye(4, at::kDouble);
  const at::Tensor emmet = at::matmul(solved, at::linalg_solve(gram, Y_));
  const at::Tensor memit = least_squares_response(metric_, K_, Y_, w * e);
  EXPECT_TRUE(near(memit, emmet, 1e-8 * emmet.abs().max().item<double>()));
}

// --- null space

// C with eigenvalues 1e-3 to 10, its null space below 0.05, and keys of the edits and of earlier ones.
class NullSpaceResponse : public ::testing::Test {
 protected:
  static constexpr std::int64_t kSize = 30;
  const at::Tensor C_ = test::with_spectrum(test::geometric(kSize, 1e-3, 10), 1);
  const NullSpace space_ = null_space_of(C_, 0.05, "C");
  const at::Tensor P_ = at::matmul(space_.basis, space_.basis.t());
  const at::Tensor K_ = normals(kSize, 3, 2), earlier_ = normals(kSize, 5, 3);
  const at::Tensor R_ = normals(6, 3, 4);

  // Delta = R A of the edits' keys, those of earlier edits held.
  at::Tensor delta(double L, SolveSide side) const {
    const at::Tensor Y = at::cat({at::eye(3, at::kDouble), at::zeros({5, 3}, at::kDouble)});
    return at::matmul(R_, null_space_response(space_, at::cat({K_, earlier_}, 1), Y, L, side).t());
  }
};

TEST_F(NullSpaceResponse, KeepsTheDirectionsBelowTheThreshold) {
  const std::vector<double> values = spectrum(C_);
  const auto kept = std::count_if(values.begin(), values.end(), [](double value) { return value < 0.05; });
  EXPECT_EQ(space_.basis.size(1), kept);
  EXPECT_TRUE(near(at::matmul(space_.basis.t(), space_.basis), at::eye(kept, at::kDouble), 1e-12));
  const double energy = (at::matmul(at::matmul(P_, C_), P_).trace() / C_.trace()).item<double>();
  EXPECT_NEAR(space_.kept_energy, energy, 1e-12);
  EXPECT_LT(space_.kept_energy, 0.05);
}

// Delta = R K^T P (Kp Kp^T P + K K^T P + L I)^-1 as published, with an unsymmetric F x F system.
TEST_F(NullSpaceResponse, IsThePublishedFormulaOnBothSides) {
  const at::Tensor all = at::matmul(K_, K_.t()) + at::matmul(earlier_, earlier_.t());
  for (const double L : {0.1, 10.0}) {
    const at::Tensor system = at::matmul(all, P_) + L * at::eye(kSize, at::kDouble);
    const at::Tensor right = at::matmul(R_, at::matmul(K_.t(), P_));
    const at::Tensor wanted = at::linalg_solve(system.t(), right.t()).t();
    for (const SolveSide side : {SolveSide::kKeys, SolveSide::kElements, SolveSide::kBySize})
      EXPECT_TRUE(near(delta(L, side), wanted, 1e-9 * wanted.abs().max().item<double>())) << L;
  }
}

TEST_F(NullSpaceResponse, LeavesTheOtherDirectionsAlone) {
  const at::Tensor others = at::matmul(at::eye(kSize, at::kDouble) - P_, normals(kSize, 8, 6));
  EXPECT_LT(at::matmul(delta(1, SolveSide::kBySize), others).abs().max().item<double>(), 1e-12);
}

// C = diag(1, 4, 9), threshold 5: two axes are kept. With the key (1, 2, 3), y = 1 and L = 1 the response is
// (1, 2) / (1 + 1 + 4).
TEST(NullSpaceByHand, OneKey) {
  const NullSpace space = null_space_of(at::diag(at::tensor({1.0, 4.0, 9.0}, at::kDouble)), 5, "C");
  EXPECT_NEAR(space.kept_energy, 5.0 / 14, 1e-15);
  const at::Tensor k = at::tensor({1.0, 2.0, 3.0}, at::kDouble).unsqueeze(1);
  EXPECT_TRUE(near(null_space_response(space, k, at::ones({1}, at::kDouble), 1),
                   at::tensor({1.0 / 6, 2.0 / 6, 0.0}, at::kDouble), 1e-15));
}

TEST(NullSpaceByHand, NothingToWriteInIsRefused) {
  const at::Tensor C = at::diag(at::tensor({1.0, 4.0}, at::kDouble));
  EXPECT_THAT(test::error_of(ErrorKind::kNumeric, [&] { null_space_of(C, 0.02, "C of layer 24"); }),
              ::testing::AllOf(HasSubstr("C of layer 24"), HasSubstr("0.02"), HasSubstr("smallest is 1")));
  EXPECT_THAT(test::error_of(ErrorKind::kNumeric,
                             [&] { null_space_of(C * std::numeric_limits<double>::infinity(), 1, "C"); }),
              HasSubstr("NaN"));
}

// --- only the diagonal of C is known: every rule gives what it gives under the diagonal matrix

TEST(DiagonalMoment, AllRulesAreThoseOfTheDiagonalMatrix) {
  constexpr std::int64_t kSize = 12;
  const at::Tensor diagonal = normals(kSize, 1, 1).squeeze(1).square() + 0.1;
  const at::Tensor K = normals(kSize, 3, 2), Y = at::eye(3, at::kDouble), matrix = at::diag(diagonal);
  const auto metric = [](const at::Tensor& C) {
    return KeyMetric(std::make_shared<const SpdFactor>(C, 1e-3, "C"), C);
  };
  const KeyMetric known = metric(diagonal), whole = metric(matrix);
  EXPECT_TRUE(near(key_response(known, K, Y), key_response(whole, K, Y), 1e-10));
  for (const SolveSide side : {SolveSide::kKeys, SolveSide::kElements})
    EXPECT_TRUE(near(least_squares_response(known, K, Y, 2, side),
                     least_squares_response(whole, K, Y, 2, side), 1e-10));
  const NullSpace space = null_space_of(diagonal, 0.5, "C"), wanted = null_space_of(matrix, 0.5, "C");
  EXPECT_NEAR(space.kept_energy, wanted.kept_energy, 1e-12);
  EXPECT_TRUE(near(null_space_response(space, K, Y, 1), null_space_response(wanted, K, Y, 1), 1e-10));
}

// C = diag(1, 4), k = (1, 2), y = 1: C^-1 k = (1, 0.5), k C^-1 k = 2.
TEST(DiagonalMoment, ByHand) {
  const at::Tensor C = at::tensor({1.0, 4.0}, at::kDouble), k = at::tensor({1.0, 2.0}, at::kDouble);
  const KeyMetric metric(std::make_shared<const SpdFactor>(C, 0, "C"), C);
  EXPECT_TRUE(near(key_response(metric, k.unsqueeze(1), at::ones({1}, at::kDouble)),
                   at::tensor({0.5, 0.25}, at::kDouble), 1e-15));
}

TEST(RankOneNorm, IsTheFrobeniusNormOfTheProduct) {
  const at::Tensor r = normals(7, 1, 1).squeeze(1), a = normals(9, 1, 2).squeeze(1);
  EXPECT_NEAR(rank_one_norm(r, a), at::outer(r, a).norm().item<double>(), 1e-12);
}

}  // namespace
}  // namespace emend
