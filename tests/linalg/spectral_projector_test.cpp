// The projector by the sign of a matrix, against the eigenvectors.
#include "linalg/spectral_projector.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "linalg/key_factors.h"
#include "linalg/response_solver.h"
#include "support/random_matrices.h"

namespace emend {
namespace {

using test::normals;

// Like that of keys: a long tail over ten decades, and four eigenvalues that are far larger than the rest.
std::vector<double> eigenvalues_of_keys(std::size_t n) {
  std::vector<double> values = test::geometric(n - 4, 1e-9, 10);
  for (const double huge : {2e2, 1e3, 5e3, 1e4}) values.push_back(huge);
  return values;
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).norm().item<double>();
}

class ProjectorBelow : public ::testing::Test {
 protected:
  static constexpr std::size_t kSize = 512;
  // Half way, in decades, between the eigenvalues i - 1 and i.
  double between(std::size_t i) const { return std::sqrt(values_[i - 1] * values_[i]); }
  at::Tensor by_eigenvectors(double threshold) const {
    const NullSpace space = null_space_of(spectrum_, threshold, "C");
    return at::matmul(space.basis, space.basis.t());
  }

  const std::vector<double> values_ = eigenvalues_of_keys(kSize);
  const at::Tensor C_ = test::with_spectrum(values_, 1);
  const Spectrum spectrum_ = spectrum_of(C_, at::kCPU, "C");
};

TEST_F(ProjectorBelow, IsThatOfTheEigenvectors) {
  const double root = std::sqrt(static_cast<double>(kSize));
  for (const std::size_t below :
       {std::size_t{400}, std::size_t{460}, std::size_t{505}, kSize - 4, kSize - 1}) {
    const double threshold = between(below);
    const auto found = projector_below(C_, threshold, at::kCPU);
    ASSERT_TRUE(found.has_value()) << below;
    const at::Tensor &P = found->P, wanted = by_eigenvectors(threshold);
    EXPECT_EQ(found->rank, static_cast<std::int64_t>(below));
    EXPECT_NEAR(P.trace().item<double>(), static_cast<double>(below), 1e-10);
    EXPECT_TRUE(at::equal(P, P.t()));
    EXPECT_LT(distance(at::matmul(P, P), P), 1e-12 * root) << below;
    EXPECT_LT((P - wanted).abs().max().item<double>(), 1e-8) << below;
    const double energy = null_space_of(spectrum_, threshold, "C").kept_energy;
    EXPECT_NEAR(found->energy, energy, 1e-9 * energy + 1e-15);
  }
}

// Where |C| is 1e4 and the next eigenvalue 1e-5 away, either way knows its eigenvector to about 1e-16 1e4 /
// 1e-5 = 1e-7; the spectrum itself is the judge.
TEST_F(ProjectorBelow, IsAsNearToTheTruthAsTheEigenvectors) {
  const at::Tensor Q = std::get<0>(at::linalg_qr(normals(kSize, kSize, 1)));  // as in with_spectrum
  for (const std::size_t below : {std::size_t{150}, std::size_t{300}}) {
    const at::Tensor U = Q.narrow(1, 0, static_cast<std::int64_t>(below)), truth = at::matmul(U, U.t());
    const double threshold = between(below);
    const auto found = projector_below(C_, threshold, at::kCPU);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->rank, static_cast<std::int64_t>(below));
    EXPECT_LT(distance(found->P, truth), 2 * distance(by_eigenvectors(threshold), truth)) << below;
  }
}

// diag(1, 4, 9) turned by a rotation in the first two axes.
TEST(ProjectorByHand, OfThreeEigenvalues) {
  const double c = std::cos(0.3), s = std::sin(0.3);
  const at::Tensor Q = at::tensor({c, -s, 0.0, s, c, 0.0, 0.0, 0.0, 1.0}, at::kDouble).view({3, 3});
  const at::Tensor C = at::matmul(Q * at::tensor({1.0, 4.0, 9.0}, at::kDouble), Q.t());
  const auto found = projector_below(C, 2, at::kCPU);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->rank, 1);
  EXPECT_LT(
      distance(found->P,
               at::tensor({c * c, c * s, 0.0, c * s, s * s, 0.0, 0.0, 0.0, 0.0}, at::kDouble).view({3, 3})),
      1e-14);
  EXPECT_NEAR(found->energy, 1.0 / 14, 1e-15);
}

TEST_F(ProjectorBelow, CountsNoneOrAll) {
  EXPECT_EQ(projector_below(C_, 1e5, at::kCPU).value().rank, static_cast<std::int64_t>(kSize));
  const at::Tensor whole = C_ + at::eye(C_.size(0), at::kDouble);
  EXPECT_EQ(projector_below(whole, 0.5, at::kCPU).value().rank, 0);
}

TEST_F(ProjectorBelow, FollowsAnEigenvalueThatIsNear) {
  for (const double distance_of_it : {1e-3, 1e-6, 1e-8}) {
    std::vector<double> values = test::geometric(60, 1e-2, 10);
    const double threshold = values[30] * (1 + distance_of_it);
    const at::Tensor C = test::with_spectrum(values, 2);
    const auto found = projector_below(C, threshold, at::kCPU);
    ASSERT_TRUE(found.has_value()) << distance_of_it;
    EXPECT_EQ(found->rank, 31) << distance_of_it;
    const NullSpace space = null_space_of(C, threshold, "C");
    EXPECT_LT(distance(found->P, at::matmul(space.basis, space.basis.t())), 1e-14 / distance_of_it + 1e-10)
        << distance_of_it;
  }
}

// At the threshold itself rounding alone would say on which side the eigenvalue is.
TEST_F(ProjectorBelow, LeavesAnEigenvalueAtTheThresholdToTheEigenvectors) {
  std::vector<double> values = test::geometric(60, 1e-2, 10);
  EXPECT_FALSE(projector_below(test::with_spectrum(values, 2), values[30] * (1 + 1e-13), at::kCPU));
  EXPECT_FALSE(projector_below(at::diag(at::tensor({1.0, 2.0, 3.0}, at::kDouble)), 2, at::kCPU));
}

TEST_F(ProjectorBelow, LeavesWhatIsNoMomentToTheEigenvectors) {
  at::Tensor broken = C_.clone();
  broken[3][3] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(projector_below(broken, 1, at::kCPU));
  EXPECT_FALSE(projector_below(C_ - 5 * at::eye(C_.size(0), at::kDouble), 1, at::kCPU));
}

TEST_F(ProjectorBelow, IsTheSameBitsAgain) {
  EXPECT_TRUE(
      at::equal(projector_below(C_, 0.5, at::kCPU).value().P, projector_below(C_, 0.5, at::kCPU).value().P));
}

TEST_F(ProjectorBelow, GivesTheResponsesOfTheBasis) {
  const double threshold = between(460);
  const NullSpace basis = null_space_of(spectrum_, threshold, "C");
  const NullSpace projector{{}, 0, projector_below(C_, threshold, at::kCPU).value().P};
  const at::Tensor K = normals(kSize, 6, 3), Y = at::eye(6, at::kDouble).narrow(1, 0, 4);
  for (const SolveSide side : {SolveSide::kKeys, SolveSide::kElements}) {
    const at::Tensor wanted = null_space_response(basis, K, Y, 0.7, side);
    EXPECT_LT(test::relative(null_space_response(projector, K, Y, 0.7, side), wanted), 1e-8);
  }
}

// --- kept between calls

TEST_F(ProjectorBelow, IsMadeOncePerThreshold) {
  KeyFactors factors;
  EXPECT_EQ(factors.projector(3, "C 3", C_, 0.5, at::kCPU), nullptr) << "too small to be worth it";
  factors.make_projectors_from(100);
  const auto made = factors.projector(3, "C 3", C_, 0.5, at::kCPU);
  ASSERT_NE(made, nullptr);
  EXPECT_EQ(factors.projector(3, "C 3", C_, 0.5, at::kCPU), made);
  EXPECT_NE(factors.projector(3, "C 3", C_, 0.6, at::kCPU), made);
  KeyFactors later;
  later.take_over(factors);
  EXPECT_EQ(later.projector(3, "C 3", C_, 0.5, at::kCPU), made);
  EXPECT_EQ(factors.projector(3, "C 3", C_, 1e5, at::kCPU), nullptr) << "all directions";
  EXPECT_EQ(factors.projector(4, "C 4", C_.diagonal().contiguous(), 0.5, at::kCPU), nullptr);
}

}  // namespace
}  // namespace emend
