#include "linalg/spd_factor.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "emend/error.h"
#include "linalg/finite.h"

namespace emend {

namespace {

constexpr int kPowerSteps = 40;
constexpr int kKeptSteps = 16;  // of them, whose vectors a smallest eigenvalue is sought in

struct PowerIteration {
  double value = 0;                 // largest eigenvalue, within a few per cent, from below
  std::vector<at::Tensor> vectors;  // [n, 1] unit vectors of the last steps, the best one last
};

// The largest eigenvalue of x -> apply(x), from a fixed start.
template <typename Apply>
PowerIteration power_iteration(std::int64_t n, const at::TensorOptions& options, Apply apply) {
  PowerIteration found;
  at::Tensor x = at::linspace(1.0, 2.0, n, options).unsqueeze(1);
  x = x * at::where(at::arange(n, options).remainder(2) == 0, 1.0, -0.7).unsqueeze(1);
  for (int step = 0; step < kPowerSteps; ++step) {
    x = x / x.norm();
    if (step >= kPowerSteps - kKeptSteps) found.vectors.push_back(x);
    x = apply(x);
    found.value = x.norm().item<double>();
  }
  found.vectors.push_back(x / found.value);
  return found;
}

// Smallest eigenvalue of A - ridge I in the span of these vectors, from above: the Rayleigh quotient of
// inverse iteration, over its last steps together.
double smallest_eigenvalue(const CholeskyPanels& A, double ridge, const std::vector<at::Tensor>& vectors) {
  const at::Tensor basis = std::get<0>(at::linalg_qr(at::cat(vectors, 1)));
  const at::Tensor quotient = at::matmul(basis.t(), A.times(basis));
  return at::linalg_eigvalsh(quotient)[0].item<double>() - ridge;
}

double ridge_of(const at::Tensor& C, double relative_ridge) {
  return relative_ridge * trace_of(C) / static_cast<double>(C.size(0));
}

}  // namespace

double trace_of(const at::Tensor& C) {
  const at::Tensor diagonal = (is_diagonal(C) ? C : C.diagonal()).to(at::kCPU, at::kDouble).contiguous();
  const double* const first = diagonal.const_data_ptr<double>();
  return std::accumulate(first, first + diagonal.numel(), 0.0);
}

SpdFactor::SpdFactor(const at::Tensor& C, double relative_ridge, const at::Device& device,
                     const std::string& what) {
  if (!is_finite(C)) throw Error(ErrorKind::kNumeric, what + " holds NaN or infinite values");
  info_.ridge = ridge_of(C, relative_ridge);
  if (is_diagonal(C))
    factor_diagonal(C.to(device, at::kDouble), what);
  else
    factor_matrix(C, device, what);
}

void SpdFactor::factor_diagonal(const at::Tensor& C, const std::string& what) {
  diagonal_ = C + info_.ridge;
  const double low = C.min().item<double>(), high = C.max().item<double>();
  if (!(low + info_.ridge > 0))
    throw Error(
        ErrorKind::kNumeric,
        fmt::format("the diagonal of {} is not positive (its smallest element is {:.3g}): it was made "
                    "from too few tokens; make the statistics again with more",
                    what, low));
  info_.condition = (high + info_.ridge) / (low + info_.ridge);
  if (low > kResolvedShare * info_.ridge) info_.condition_of_moment = high / low;
}

void SpdFactor::factor_matrix(const at::Tensor& C, const at::Device& device, const std::string& what) {
  panels_.emplace(C, info_.ridge, device);
  if (panels_->failed_minor() != 0)
    throw Error(
        ErrorKind::kNumeric,
        fmt::format("{} is not positive definite (its leading minor of order {}): it was made from too few "
                    "tokens; make the statistics again with more",
                    what, panels_->failed_minor()));
  const std::int64_t n = C.size(0);
  const auto options = C.options().dtype(at::kDouble).device(device);
  const double top =
      power_iteration(n, options, [&](const at::Tensor& x) { return panels_->times(x); }).value;
  const PowerIteration inverse = power_iteration(n, options, [&](const at::Tensor& x) { return solve(x); });
  info_.condition = top * inverse.value;
  if (info_.ridge == 0) {
    info_.condition_of_moment = info_.condition;
    return;
  }
  const double low = smallest_eigenvalue(*panels_, info_.ridge, inverse.vectors);
  if (low > kResolvedShare * info_.ridge) info_.condition_of_moment = (top - info_.ridge) / low;
}

at::Tensor SpdFactor::solve(const at::Tensor& K) const {
  return diagonal_.defined() ? K / diagonal_.to(K.device()).unsqueeze(1) : panels_->solve(K);
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
  const at::Tensor ascending =
      is_diagonal(C) ? std::get<0>(C.sort()) : at::linalg_eigvalsh(C.to(at::kDouble));
  const at::Tensor values = ascending.flip(0).cpu().contiguous();
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
