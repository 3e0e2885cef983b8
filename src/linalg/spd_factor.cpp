#include "linalg/spd_factor.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "emend/error.h"
#include "linalg/finite.h"
#include "linalg/lanczos.h"
#include "linalg/where_it_fits.h"

namespace emend {

namespace {

// Smallest eigenvalue of A - ridge I in the span of orthonormal columns, from above: the Rayleigh quotient of
// what inverse iteration has seen.
double smallest_eigenvalue(const CholeskyPanels& A, double ridge, const at::Tensor& basis) {
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

at::Tensor ridged_product(const at::Tensor& C, double ridge, const at::Tensor& Q) {
  if (is_diagonal(C)) return (C.to(at::kDouble) + ridge).unsqueeze(1) * Q;
  constexpr std::int64_t kRows = 1024;
  at::Tensor CQ = ridge * Q;
  for (std::int64_t begin = 0; begin < C.size(0); begin += kRows) {
    const std::int64_t rows = std::min(kRows, C.size(0) - begin);
    CQ.narrow(0, begin, rows).add_(at::matmul(C.narrow(0, begin, rows).to(at::kDouble), Q));
  }
  return CQ;
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
  const double top = lanczos(n, options, [&](const at::Tensor& x) { return panels_->times(x); }).largest;
  const Krylov inverse = lanczos(n, options, [&](const at::Tensor& x) { return solve(x); });
  info_.condition = top * inverse.largest;
  if (info_.ridge == 0) {
    info_.condition_of_moment = info_.condition;
    return;
  }
  const double low = smallest_eigenvalue(*panels_, info_.ridge, inverse.basis);
  if (low > kResolvedShare * info_.ridge) info_.condition_of_moment = (top - info_.ridge) / low;
}

at::Tensor SpdFactor::solve(const at::Tensor& K) const {
  return diagonal_.defined() ? K / diagonal_.to(K.device()).unsqueeze(1) : panels_->solve(K);
}

SpdFactor factor_where_it_fits(const at::Tensor& C, double relative_ridge, const at::Device& device,
                               const std::string& what) {
  return where_it_fits(device,
                       [&](const at::Device& where) { return SpdFactor(C, relative_ridge, where, what); });
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
