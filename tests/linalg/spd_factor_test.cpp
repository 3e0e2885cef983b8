#include "linalg/spd_factor.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "base/expect_error.h"
#include "support/model_files.h"
#include "support/random_matrices.h"
#include "support/solve_by_eigen.h"

namespace emend {
namespace {

using test::geometric;
using test::near;
using test::normals;
using test::solve_by_eigen;
using test::with_spectrum;

TEST(SpdFactor, SolveAgreesWithEigenAndLeavesNoResidual) {
  const at::Tensor C = with_spectrum(geometric(60, 1e-3, 1e2), 1), K = normals(60, 7, 2);
  const SpdFactor factor(C, 0, "C");
  const at::Tensor X = factor.solve(K), eigen = solve_by_eigen(C, K);
  const double scale = eigen.abs().max().item<double>();
  EXPECT_TRUE(near(X, eigen, 1e-9 * scale));
  EXPECT_LT((at::matmul(C, X) - K).norm().item<double>(), 1e-9 * K.norm().item<double>());
  EXPECT_EQ(factor.info().ridge, 0);
}

TEST(SpdFactor, SolvesOneColumnAsItSolvesMany) {
  const at::Tensor C = with_spectrum(geometric(20, 0.1, 10), 3), K = normals(20, 4, 4);
  const SpdFactor factor(C, 1e-4, "C");
  EXPECT_TRUE(near(factor.solve(K.narrow(1, 2, 1)), factor.solve(K).narrow(1, 2, 1), 1e-12));
}

TEST(SpdFactor, TakesFloat32AsItsValues) {
  const at::Tensor narrow = with_spectrum(geometric(40, 1e-2, 1e2), 3).to(at::kFloat), K = normals(40, 3, 4);
  const at::Tensor wide = narrow.to(at::kDouble);
  const SpdFactor of_narrow(narrow, 1e-3, "C"), of_wide(wide, 1e-3, "C");
  EXPECT_TRUE(at::equal(of_narrow.solve(K), of_wide.solve(K)));
  EXPECT_EQ(of_narrow.info().ridge, of_wide.info().ridge);
  EXPECT_EQ(of_narrow.info().condition, of_wide.info().condition);
  EXPECT_EQ(spectrum(narrow), spectrum(wide));
}

// Panels of any width are the same factor: the last one narrower, one alone, one column each.
TEST(CholeskyPanels, AnyWidthGivesTheSameSolution) {
  const at::Tensor C = with_spectrum(geometric(37, 1e-2, 1e2), 5), K = normals(37, 3, 6);
  const at::Tensor sum = C + 0.5 * at::eye(37, at::kDouble), expected = solve_by_eigen(sum, K);
  for (const std::int64_t columns : {1, 5, 12, 36, 37, 64}) {
    const CholeskyPanels panels(C, 0.5, at::kCPU, columns);
    ASSERT_EQ(panels.failed_minor(), 0) << columns;
    EXPECT_TRUE(near(panels.solve(K), expected, 1e-10)) << columns;
    EXPECT_TRUE(near(panels.times(K), at::matmul(sum, K), 1e-10)) << columns;
  }
}

TEST(CholeskyPanels, NameTheMinorThatFailsAsLapackDoes) {
  at::Tensor C = with_spectrum(geometric(20, 1, 2), 9);
  C[13][13] = -1;
  for (const std::int64_t columns : {4, 7, 20})
    EXPECT_EQ(CholeskyPanels(C, 0, at::kCPU, columns).failed_minor(), 14) << columns;
}

TEST(CholeskyPanels, LeavesTheMatrixAsItIs) {
  const at::Tensor C = with_spectrum(geometric(20, 1, 2), 9), before = C.clone();
  for (const std::int64_t columns : {6, 20}) {
    const CholeskyPanels panels(C, 0.1, at::kCPU, columns);
    const at::Tensor K = normals(20, 2, 4), given = K.clone();
    panels.solve(K);
    EXPECT_TRUE(at::equal(C, before) && at::equal(K, given)) << columns;
  }
}

TEST(SpdFactor, RidgeIsAShareOfTheMeanOfTheDiagonal) {
  const at::Tensor C = with_spectrum(geometric(30, 0.5, 8), 5), K = normals(30, 2, 6);
  const SpdFactor factor(C, 0.25, "C");
  const double ridge = 0.25 * C.diagonal().mean().item<double>();
  EXPECT_NEAR(factor.info().ridge, ridge, 1e-12);
  EXPECT_TRUE(near(factor.solve(K), solve_by_eigen(C + ridge * at::eye(30, at::kDouble), K), 1e-10));
}

TEST(SpdFactor, RidgeMakesASemidefiniteMatrixDefinite) {
  const at::Tensor keys = normals(5, 12, 7);  // rank 5 of 12
  const at::Tensor C = at::matmul(keys.t(), keys);
  EXPECT_THAT(
      test::error_of(ErrorKind::kNumeric,
                     [&] { SpdFactor(C - 1e-9 * at::eye(12, at::kDouble), 0, "C of layer 3"); }),
      ::testing::AllOf(::testing::HasSubstr("C of layer 3"), ::testing::HasSubstr("not positive definite")));
  EXPECT_NO_THROW(SpdFactor(C, 1e-6, "C"));
}

TEST(SpdFactor, RefusesAnIndefiniteMatrix) {
  std::vector<double> values = geometric(10, 1, 4);
  values[3] = -2;
  EXPECT_THAT(
      test::error_of(ErrorKind::kNumeric, [&] { SpdFactor(with_spectrum(values, 8), 1e-5, "the moment"); }),
      ::testing::HasSubstr("the moment"));
  test::error_of(ErrorKind::kNumeric, [&] { solve_by_eigen(with_spectrum(values, 8), normals(10, 1, 9)); });
}

TEST(SpdFactor, RefusesNaNAndInfinity) {
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    at::Tensor C = with_spectrum(geometric(10, 1, 4), 10);
    C[2][7] = bad;
    C[7][2] = bad;
    EXPECT_THAT(test::error_of(ErrorKind::kNumeric, [&] { SpdFactor(C, 0, "C of layer 1"); }),
                ::testing::AllOf(::testing::HasSubstr("C of layer 1"), ::testing::HasSubstr("NaN")));
  }
}

TEST(SpdFactor, ConditionEstimateIsWithinAFactorOfTwo) {
  for (const double condition : {1.0, 30.0, 1e4, 1e8})
    for (const std::uint64_t seed : {11, 12, 13}) {
      const SpdFactor factor(with_spectrum(geometric(50, 2.0 / condition, 2.0), seed), 0, "C");
      EXPECT_GT(factor.info().condition, condition / 2);
      EXPECT_LT(factor.info().condition, condition * 2);
    }
  // One large eigenvalue, as the mean key makes it in an uncentred moment.
  std::vector<double> values = geometric(50, 1e-2, 1);
  values.back() = 1000;
  const double found = SpdFactor(with_spectrum(values, 14), 0, "C").info().condition;
  EXPECT_GT(found, 0.5e5);
  EXPECT_LT(found, 2e5);
}

TEST(SpdFactor, ConditionIsThatAfterTheRidge) {
  const at::Tensor C = with_spectrum(geometric(40, 1e-9, 1), 15);
  const double ridge = 1e-2 * C.diagonal().mean().item<double>();
  EXPECT_NEAR(SpdFactor(C, 1e-2, "C").info().condition / ((1 + ridge) / ridge), 1, 0.5);
}

// Of C itself, from the factor of C + ridge I, against the eigenvalues of C.
TEST(SpdFactor, ConditionOfTheMomentIsFoundThroughTheRidge) {
  for (const double low : {1e-7, 1e-5, 1e-3, 1e-1})  // the ridge is about 1e-6 to 3e-6
    for (const std::uint64_t seed : {16, 17, 18}) {
      const at::Tensor C = with_spectrum(geometric(60, low, 1), seed);
      const SpdInfo info = SpdFactor(C, 1e-5, "C").info();
      const std::vector<double> values = spectrum(C);
      ASSERT_TRUE(info.condition_of_moment.has_value()) << low;
      EXPECT_NEAR(*info.condition_of_moment / (values.front() / values.back()), 1, 0.1) << low;
      EXPECT_LE(info.condition, *info.condition_of_moment * 1.1) << low;
    }
}

TEST(SpdFactor, AMomentThatIsSingularUpToTheRidgeHasNoConditionOfItsOwn) {
  const at::Tensor keys = normals(5, 40, 19);  // rank 5 of 40
  EXPECT_FALSE(SpdFactor(at::matmul(keys.t(), keys), 1e-5, "C").info().condition_of_moment.has_value());
  std::vector<double> values = geometric(60, 1e-2, 1);
  values[7] = 0;
  EXPECT_FALSE(SpdFactor(with_spectrum(values, 20), 1e-5, "C").info().condition_of_moment.has_value());
  // Positive, and still far below the ridge.
  EXPECT_FALSE(SpdFactor(with_spectrum(geometric(200, 1e-9, 1), 21), 1e-2, "C")
                   .info()
                   .condition_of_moment.has_value());
}

TEST(SpdFactor, WithoutARidgeBothConditionsAreOne) {
  const at::Tensor C = with_spectrum(geometric(30, 1e-3, 1), 22);
  const SpdInfo info = SpdFactor(C, 0, "C").info();
  EXPECT_EQ(info.condition_of_moment, info.condition);
  EXPECT_EQ(condition_estimate(C), info.condition);
}

// --- only the diagonal of C is known

TEST(SpdFactorOfADiagonal, IsThatOfTheDiagonalMatrix) {
  const at::Tensor diagonal = at::tensor({4.0, 1.0, 0.25, 9.0}, at::kDouble), K = normals(4, 3, 1);
  for (const double relative_ridge : {0.0, 0.1}) {
    const SpdFactor vector(diagonal, relative_ridge, "C"), matrix(at::diag(diagonal), relative_ridge, "C");
    EXPECT_TRUE(near(vector.solve(K), matrix.solve(K), 1e-12));
    EXPECT_NEAR(vector.info().ridge, relative_ridge * 14.25 / 4, 1e-12);
    EXPECT_NEAR(vector.info().ridge, matrix.info().ridge, 1e-12);
    EXPECT_NEAR(*vector.info().condition_of_moment, 36, 1e-9);
  }
  EXPECT_NEAR(SpdFactor(diagonal, 0, "C").info().condition, 36, 1e-9);
  EXPECT_EQ(spectrum(diagonal), (std::vector<double>{9, 4, 1, 0.25}));
  EXPECT_EQ(trace_of(diagonal), 14.25);
  EXPECT_NEAR(*condition_estimate(diagonal), 36, 1e-9);
}

TEST(SpdFactorOfADiagonal, AChannelThatIsAlwaysZeroNeedsTheRidge) {
  const at::Tensor diagonal = at::tensor({4.0, 0.0}, at::kDouble), K = at::ones({2, 1}, at::kDouble);
  EXPECT_THAT(test::error_of(ErrorKind::kNumeric, [&] { SpdFactor(diagonal, 0, "C of layer 3"); }),
              ::testing::AllOf(::testing::HasSubstr("C of layer 3"), ::testing::HasSubstr("is 0")));
  EXPECT_FALSE(condition_estimate(diagonal).has_value());
  const SpdFactor factor(diagonal, 0.5, "C");
  EXPECT_TRUE(near(factor.solve(K), at::tensor({0.2, 1.0}, at::kDouble).unsqueeze(1), 1e-12));
  EXPECT_FALSE(factor.info().condition_of_moment.has_value());
}

}  // namespace
}  // namespace emend
