#include "linalg/response_solver.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "emend/error.h"
#include "linalg/finite.h"

namespace emend {

namespace {

// gram^-1 right. The Gram matrix is scaled to unit diagonal: keys differ in length by orders of magnitude (a
// BOS key against a subject's).
at::Tensor solve_gram(const at::Tensor& gram, const at::Tensor& right) {
  const at::Tensor scale = gram.diagonal().rsqrt().unsqueeze(1);
  auto [lower, status] = at::linalg_cholesky_ex(gram * scale * scale.t());
  if (status.item<int>() != 0)
    throw Error(ErrorKind::kNumeric,
                "the edits' keys are linearly dependent; their residuals cannot all be written");
  return scale * at::cholesky_solve(scale * right, lower, /*upper=*/false);
}

// C^-1 K (lambda I + S + K^T C^-1 K)^-1 Y, for Y [n, q]; S is diagonal, `slack` in units of that of K^T C^-1
// K.
at::Tensor solve_by_keys(const KeyMetric& metric, const at::Tensor& K, const at::Tensor& Y, double lambda,
                         const at::Tensor& slack = {}) {
  const at::Tensor solved = metric.solve(K);          // C^-1 K
  const at::Tensor gram = at::matmul(K.t(), solved);  // K^T C^-1 K
  if (slack.defined()) gram.diagonal().mul_(1 + slack.to(gram.device()));
  if (lambda != 0) gram.diagonal().add_(lambda);
  return at::matmul(solved, solve_gram(gram, Y.is_sparse() ? Y.to_dense() : Y));
}

// K Y; with a sparse Y of few elements a column in time linear in these.
at::Tensor answered_keys(const at::Tensor& K, const at::Tensor& Y) {
  return Y.is_sparse() ? at::mm(Y.t(), K.t()).t().contiguous() : at::mm(K, Y);
}

// (lambda C + K K^T)^-1 K Y, for Y [n, q].
at::Tensor solve_by_elements(const KeyMetric& metric, const at::Tensor& K, const at::Tensor& Y,
                             double lambda) {
  const at::Tensor& C = metric.moment();
  const bool diagonal = C.defined() && is_diagonal(C);
  at::Tensor sum = at::mm(K, K.t());
  if (C.defined() && !diagonal) sum.add_(C.to(sum.device()), lambda);
  if (diagonal) sum.diagonal().add_(C.to(sum.device()), lambda);
  const double ridge = lambda * (C.defined() ? metric.info()->ridge : 1);
  const CholeskyPanels factor(sum, ridge, K.device());
  if (factor.failed_minor() != 0)
    throw Error(ErrorKind::kNumeric,
                "the moments and keys of the edits are not positive definite together; "
                "a larger lambda makes them so");
  return factor.solve(answered_keys(K, Y));
}

// Calls solve(Y) with Y [n, q] and gives a vector back where `y` is one.
template <typename Solve>
at::Tensor for_columns(const at::Tensor& y, Solve solve) {
  return y.dim() == 1 ? solve(y.unsqueeze(1)).squeeze(1) : solve(y);
}

// Eigenvalues in ascending order and eigenvectors of diag(C): a permutation of the unit vectors.
std::tuple<at::Tensor, at::Tensor> eigenpairs_of_diagonal(const at::Tensor& C) {
  const auto [values, order] = C.sort();
  return {values, at::eye(C.size(0), C.options()).index_select(1, order)};
}

}  // namespace

void KeyMetric::learn(const std::vector<at::Tensor>& keys) {
  if (!factor_ || keys.empty()) return;
  if (!known_) known_ = std::make_shared<KnownSolutions>();
  const std::size_t kept = known_->room_for(keys.front().size(0));
  if (kept == 0) return;
  const auto end = keys.begin() + static_cast<std::ptrdiff_t>(std::min(kept, keys.size()));
  solve(at::stack(std::vector<at::Tensor>(keys.begin(), end), 1));
}

bool elements_are_cheaper(std::int64_t n, std::int64_t F) {
  return 2 * n > F;
}

at::Tensor key_response(const KeyMetric& metric, const at::Tensor& K, const at::Tensor& y,
                        const at::Tensor& slack) {
  return for_columns(y, [&](const at::Tensor& Y) { return solve_by_keys(metric, K, Y, 0, slack); });
}

at::Tensor key_cosines(const KeyMetric& metric, const at::Tensor& K) {
  at::Tensor gram = at::matmul(K.t(), metric.solve(K));
  const at::Tensor scale = gram.diagonal().rsqrt().unsqueeze(1);
  return gram.mul_(scale).mul_(scale.t());
}

void each_cosine_strip(const KeyMetric& metric, const at::Tensor& K, std::int64_t rows,
                       const std::function<void(std::int64_t, const at::Tensor&)>& visit) {
  const at::Tensor solved = metric.solve(K);
  const at::Tensor scale = (K * solved).sum(0).rsqrt();
  const std::int64_t n = K.size(1);
  for (std::int64_t first = 0; first < n; first += rows) {
    const std::int64_t end = std::min(first + rows, n);
    at::Tensor strip = at::matmul(K.slice(1, first, end).t(), solved.slice(1, first));
    strip.mul_(scale.slice(0, first, end).unsqueeze(1)).mul_(scale.slice(0, first).unsqueeze(0));
    visit(first, strip.cpu().contiguous());
  }
}

double gram_condition(const at::Tensor& gram) {
  const at::Tensor values = at::linalg_eigvalsh(gram);
  const double low = values[0].item<double>(), high = values[-1].item<double>();
  return low > 0 ? high / low : std::numeric_limits<double>::infinity();
}

at::Tensor least_squares_response(const KeyMetric& metric, const at::Tensor& K, const at::Tensor& y,
                                  double lambda, SolveSide side) {
  if (side == SolveSide::kBySize)
    side = elements_are_cheaper(K.size(1), K.size(0)) ? SolveSide::kElements : SolveSide::kKeys;
  return for_columns(y, [&](const at::Tensor& Y) {
    return side == SolveSide::kKeys ? solve_by_keys(metric, K, Y, lambda)
                                    : solve_by_elements(metric, K, Y, lambda);
  });
}

Spectrum spectrum_of(const at::Tensor& C, const at::Device& device, const std::string& what) {
  if (!is_finite(C)) throw Error(ErrorKind::kNumeric, what + " holds NaN or infinite values");
  try {
    const at::Tensor wide = C.to(device, at::kDouble);
    const auto [values, vectors] = is_diagonal(C) ? eigenpairs_of_diagonal(wide) : at::linalg_eigh(wide);
    return {values.to(at::kCPU), vectors};
  } catch (const c10::OutOfMemoryError&) {
    if (device.is_cpu()) throw;
    return spectrum_of(C, at::kCPU, what);
  }
}

double threshold_for(const Spectrum& spectrum, double share) {
  const std::int64_t size = spectrum.values.size(0);
  const auto kept = static_cast<std::int64_t>(std::llround(share * static_cast<double>(size)));
  const auto value = [&](std::int64_t i) { return spectrum.values[i].item<double>(); };
  if (kept <= 0) return value(0) / 2;
  if (kept >= size) return std::numeric_limits<double>::infinity();
  return (value(kept - 1) + value(kept)) / 2;
}

NullSpace null_space_of(const Spectrum& spectrum, double threshold, const std::string& what) {
  const at::Tensor& values = spectrum.values;
  const auto kept = (values < threshold).sum().item<std::int64_t>();
  if (kept == 0)
    throw Error(
        ErrorKind::kNumeric,
        fmt::format("{} has no eigenvalue below {:.3g} (the smallest is {:.3g}): there is no null space to "
                    "write in",
                    what, threshold, values[0].item<double>()));
  const double energy = values.narrow(0, 0, kept).sum().item<double>() / values.sum().item<double>();
  return {spectrum.vectors.narrow(1, 0, kept).contiguous(), energy, {}};
}

NullSpace null_space_of(const at::Tensor& C, double threshold, const std::string& what) {
  return null_space_of(spectrum_of(C, C.device(), what), threshold, what);
}

at::Tensor null_space_response(const NullSpace& space, const at::Tensor& K, const at::Tensor& y, double L,
                               SolveSide side) {
  const at::Tensor& into = space.basis.defined() ? space.basis : space.projector;
  const at::Tensor reduced = at::matmul(into.t(), K.to(into.device()));
  return at::matmul(into, least_squares_response(KeyMetric(), reduced, y.to(into.device()), L, side))
      .to(K.device());
}

double norm_of(const at::Tensor& tensor) {
  return tensor.norm().item<double>();
}

double rank_one_norm(const at::Tensor& r, const at::Tensor& a) {
  return norm_of(r) * norm_of(a);
}

}  // namespace emend
