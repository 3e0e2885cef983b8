// Solves with a symmetric positive definite matrix through its Cholesky factor, never through an inverse.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "linalg/cholesky_panels.h"

namespace emend {

// How a second moment is made positive definite, and how good it is. Conditions are estimated ratios of the
// largest to the smallest eigenvalue.
struct SpdInfo {
  double ridge = 0;      // what was added to the diagonal
  double condition = 0;  // of C + ridge I
  // Of C itself, found with the factor of C + ridge I. std::nullopt if the smallest eigenvalue of C is not
  // above kResolvedShare of the ridge: then C counts as singular up to the ridge.
  std::optional<double> condition_of_moment;
};

inline constexpr double kResolvedShare = 1e-3;

// A moment C is given as a matrix [n, n] or, where only its diagonal is known, as a vector [n]; it counts as
// diag(C) then, and no matrix is made. Its elements are float64, or float32 where it lies in a file: they are
// widened as they are used.
inline bool is_diagonal(const at::Tensor& C) {
  return C.dim() == 1;
}
double trace_of(const at::Tensor& C);
// (C + ridge I) Q in float64 for Q [n, q]. C may lie in its file as float32 and is widened a few rows at a
// time.
at::Tensor ridged_product(const at::Tensor& C, double ridge, const at::Tensor& Q);

// C + ridge I = L L^T in float64. Immutable after construction.
class SpdFactor {
 public:
  // C [n, n] symmetric, on any device, or its diagonal [n]; the factor lies on `device` (that of C).
  // ridge = relative_ridge * trace(C) / n. Throws Error(kNumeric), naming `what`, if C is not finite, or not
  // positive definite with the ridge. n^3 / 3 floating point operations and 32 products with one column for
  // the conditions; 4 n^2 bytes are kept of a large one (cholesky_panels.h). Of a diagonal: n of both.
  SpdFactor(const at::Tensor& C, double relative_ridge, const at::Device& device, const std::string& what);
  SpdFactor(const at::Tensor& C, double relative_ridge, const std::string& what)
      : SpdFactor(C, relative_ridge, C.device(), what) {}

  // A factor that was made before, from its panels on their device.
  SpdFactor(std::vector<at::Tensor> panels, const SpdInfo& info)
      : panels_(std::in_place, std::move(panels), CholeskyPanels::kColumns), info_(info) {}
  // The same of order n, whose panels are read whenever they are needed (cholesky_panels.h).
  SpdFactor(std::int64_t n, CholeskyPanels::ReadPanel read, const SpdInfo& info)
      : panels_(std::in_place, n, std::move(read)), info_(info) {}
  // The panels of L (cholesky_panels.h); none where they are read, and where only a diagonal is known.
  std::vector<at::Tensor> panels() const { return panels_ ? panels_->panels() : std::vector<at::Tensor>(); }

  // (C + ridge I)^-1 K for K [n, k] float64 on any device, where the result lies too: 2 n^2 k operations.
  at::Tensor solve(const at::Tensor& K) const;

  const SpdInfo& info() const { return info_; }

 private:
  void factor_diagonal(const at::Tensor& C, const std::string& what);
  void factor_matrix(const at::Tensor& C, const at::Device& device, const std::string& what);

  std::optional<CholeskyPanels> panels_;
  SpdInfo info_;
  at::Tensor diagonal_;  // C + ridge [n] where only that is known; undefined otherwise
};

// The factor on `device` if there is room for it, else on the CPU.
SpdFactor factor_where_it_fits(const at::Tensor& C, double relative_ridge, const at::Device& device,
                               const std::string& what);

// Condition of C as it is, without a ridge; std::nullopt if it is not positive definite. Costs a factor:
// where C is factored with a ridge anyway, SpdInfo::condition_of_moment costs no further solve.
std::optional<double> condition_estimate(const at::Tensor& C);

// (C + ridge I)^-1 K with ridge = relative_ridge * trace(C) / n, without the estimate of the condition;
// std::nullopt if that is not positive definite. C [n, n]; shapes as above.
std::optional<at::Tensor> solve_with_ridge(const at::Tensor& C, double relative_ridge, const at::Tensor& K);

// Eigenvalues of C [n, n] symmetric float64, or of diag(C) [n], largest first. About 4 n^3 / 3 operations.
std::vector<double> spectrum(const at::Tensor& C);

}  // namespace emend
