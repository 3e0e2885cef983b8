#include "linalg/spd_factor.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <cmath>

#include "emend/error.h"

namespace emend {

namespace {

constexpr int kPowerSteps = 40;

// Largest eigenvalue of x -> apply(x) by power iteration from a fixed start: the length of the last image,
// within a few per cent from below, and the Rayleigh quotient there, whose error is the square of the vector's.
struct Eigenvalue {
  double length = 0, quotient = 0;
};
template <typename Apply>
Eigenvalue largest_eigenvalue(std::int64_t n, const at::TensorOptions& options, Apply apply) {
  at::Tensor x = at::linspace(1.0, 2.0, n, options).unsqueeze(1);
  x = x * at::where(at::arange(n, options).remainder(2) == 0, 1.0, -0.7).unsqueeze(1);
  at::Tensor unit;
  for (int step = 0; step < kPowerSteps; ++step) {
    unit = x / x.norm();
    x = apply(unit);
  }
  return {x.norm().item<double>(), (unit * x).sum().item<double>()};
}

double ridge_of(const at::Tensor& C, double relative_ridge) {
  return relative_ridge * C.trace().item<double>() / static_cast<double>(C.size(0));
}

}  // namespace

SpdFactor::SpdFactor(const at::Tensor& C, double relative_ridge, const at::Device& device,
                     const std::string& what) {
  if (!at::isfinite(C).all().item<bool>())
    throw Error(ErrorKind::kNumeric, what + " holds NaN or infinite values");
  info_.ridge = ridge_of(C, relative_ridge);
  panels_.emplace(C, info_.ridge, device);
  if (panels_->failed_minor() != 0)
    throw Error(ErrorKind::kNumeric,
                what + " is not positive definite (its leading minor of order " +
                    std::to_string(panels_->failed_minor()) +
                    "): it was made from too few tokens; make the statistics again with more");
  const std::int64_t n = C.size(0);
  const auto options = C.options().device(device);
  const Eigenvalue top = largest_eigenvalue(n, options, [&](const at::Tensor& x) { return panels_->times(x); });
  const Eigenvalue bottom = largest_eigenvalue(n, options, [&](const at::Tensor& x) { return solve(x); });
  info_.condition = top.length * bottom.length;
  const double smallest = 1 / bottom.quotient - info_.ridge;  // of C itself
  if (smallest > kLeastOwnShare * info_.ridge && smallest > 0)
    info_.condition_of_moments = (top.length - info_.ridge) / smallest;
}

at::Tensor SpdFactor::solve(const at::Tensor& K) const {
  return panels_->solve(K);
}

SpdFactor factor_where_it_fits(const at::Tensor& C, double relative_ridge, const at::Device& device,
                               const std::string& what) {
  try {
    return SpdFactor(C, relative_ridge, device, what);
  } catch (const c10::OutOfMemoryError&) {
    return SpdFactor(C, relative_ridge, at::kCPU, what);
  }
}

std::optional<at::Tensor> solve_with_ridge(const at::Tensor& C, double relative_ridge, const at::Tensor& K) {
  const CholeskyPanels panels(C, ridge_of(C, relative_ridge), C.device());
  if (panels.failed_minor() != 0) return std::nullopt;
  return panels.solve(K);
}

std::vector<double> spectrum(const at::Tensor& C) {
  const at::Tensor values = at::linalg_eigvalsh(C).flip(0).cpu().contiguous();
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

std::optional<double> condition_estimate(const at::Tensor& C) {
  try {
    return SpdFactor(C, 0, "C").info().condition;
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace emend
