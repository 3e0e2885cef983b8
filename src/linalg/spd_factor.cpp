#include "linalg/spd_factor.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <cmath>

#include "emend/error.h"

namespace emend {

namespace {

constexpr int kPowerSteps = 40;

// (L L^T)^-1 K by two triangular solves: at::cholesky_solve would copy L at every call, 2 GB at d_ff 16384.
at::Tensor solve_factored(const at::Tensor& lower, const at::Tensor& K) {
  const at::Tensor half = at::linalg_solve_triangular(lower, K, /*upper=*/false);
  return at::linalg_solve_triangular(lower.mT(), half, /*upper=*/true);
}

// Largest eigenvalue of x -> apply(x) by power iteration from a fixed start: within a few per cent, from
// below.
template <typename Apply>
double largest_eigenvalue(std::int64_t n, const at::TensorOptions& options, Apply apply) {
  at::Tensor x = at::linspace(1.0, 2.0, n, options).unsqueeze(1);
  x = x * at::where(at::arange(n, options).remainder(2) == 0, 1.0, -0.7).unsqueeze(1);
  double value = 0;
  for (int step = 0; step < kPowerSteps; ++step) {
    x = apply(x / x.norm());
    value = x.norm().item<double>();
  }
  return value;
}

}  // namespace

SpdFactor::SpdFactor(const at::Tensor& C, double relative_ridge, const std::string& what) {
  const std::int64_t n = C.size(0);
  if (!at::isfinite(C).all().item<bool>())
    throw Error(ErrorKind::kNumeric, what + " holds NaN or infinite values");
  info_.ridge = relative_ridge * C.trace().item<double>() / static_cast<double>(n);
  at::Tensor sum = C.clone();
  sum.diagonal().add_(info_.ridge);
  auto [lower, status] = at::linalg_cholesky_ex(sum);
  if (status.item<int>() != 0)
    throw Error(ErrorKind::kNumeric,
                what + " is not positive definite (its leading minor of order " +
                    std::to_string(status.item<int>()) +
                    "): it was made from too few tokens; make the statistics again with more");
  lower_ = lower;
  const double top =
      largest_eigenvalue(n, C.options(), [&](const at::Tensor& x) { return at::matmul(sum, x); });
  const double bottom = largest_eigenvalue(n, C.options(), [&](const at::Tensor& x) { return solve(x); });
  info_.condition = top * bottom;
}

at::Tensor SpdFactor::solve(const at::Tensor& K) const {
  return solve_factored(lower_, K.to(lower_.device())).to(K.device());
}

SpdFactor factor_where_it_fits(const at::Tensor& C, double relative_ridge, const at::Device& device,
                               const std::string& what) {
  try {
    return SpdFactor(C.to(device), relative_ridge, what);
  } catch (const c10::OutOfMemoryError&) {
    return SpdFactor(C.cpu(), relative_ridge, what);
  }
}

std::optional<at::Tensor> solve_with_ridge(const at::Tensor& C, double relative_ridge, const at::Tensor& K) {
  const std::int64_t n = C.size(0);
  const double ridge = relative_ridge * C.trace().item<double>() / static_cast<double>(n);
  auto [lower, status] = at::linalg_cholesky_ex(C + ridge * at::eye(n, C.options()));
  if (status.item<int>() != 0) return std::nullopt;
  return solve_factored(lower, K);
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
