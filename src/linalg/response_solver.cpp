#include "linalg/response_solver.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "emend/error.h"
#include "linalg/finite.h"
#include "linalg/where_it_fits.h"

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

at::Tensor dense(const at::Tensor& Y) {
  return Y.is_sparse() ? Y.to_dense() : Y;
}

// C^-1 K (lambda I + S + K^T C^-1 K)^-1 Y, for Y [n, q]; S is diagonal, `slack` in units of that of K^T C^-1
// K.
at::Tensor solve_by_keys(const KeyMetric& metric, const at::Tensor& K, const at::Tensor& Y, double lambda,
                         const at::Tensor& slack = {}) {
  const at::Tensor solved = metric.solve(K);          // C^-1 K
  const at::Tensor gram = at::matmul(K.t(), solved);  // K^T C^-1 K
  if (slack.defined()) gram.diagonal().mul_(1 + slack.to(gram.device()));
  if (lambda != 0) gram.diagonal().add_(lambda);
  return at::matmul(solved, solve_gram(gram, dense(Y)));
}

// K Y; with a sparse Y of few elements a column in time linear in these.
at::Tensor answered_keys(const at::Tensor& K, const at::Tensor& Y) {
  return Y.is_sparse() ? at::mm(Y.t(), K.t()).t().contiguous() : at::mm(K, Y);
}

// The lower triangle of K K^T [F, F], and a few elements above it: a strip of columns after the other.
at::Tensor lower_product(const at::Tensor& K) {
  constexpr std::int64_t kColumns = 256;
  const std::int64_t F = K.size(0);
  at::Tensor product = at::zeros({F, F}, K.options());
  for (std::int64_t begin = 0; begin < F; begin += kColumns) {
    const std::int64_t end = std::min(begin + kColumns, F);
    product.slice(0, begin).slice(1, begin, end).addmm_(K.slice(0, begin), K.slice(0, begin, end).t(), 0);
  }
  return product;
}

// (lambda C + K K^T)^-1 right, for right = K Y [F, q].
at::Tensor solve_by_elements(const KeyMetric& metric, const at::Tensor& K, const at::Tensor& right,
                             double lambda) {
  const at::Tensor& C = metric.moment();
  const bool diagonal = C.defined() && is_diagonal(C);
  at::Tensor sum = lower_product(K);
  if (C.defined() && !diagonal) sum.add_(C.to(sum.device()), lambda);
  if (diagonal) sum.diagonal().add_(C.to(sum.device()), lambda);
  const double ridge = lambda * (C.defined() ? metric.info()->ridge : 1);
  const CholeskyPanels factor(sum, ridge, K.device());
  if (factor.failed_minor() != 0)
    throw Error(ErrorKind::kNumeric,
                "the moments and keys of the edits are not positive definite together; "
                "a larger lambda makes them so");
  return factor.solve(right);
}

SolveSide chosen_side(SolveSide asked, std::int64_t n, std::int64_t F) {
  if (asked != SolveSide::kBySize) return asked;
  return elements_are_cheaper(n, F) ? SolveSide::kElements : SolveSide::kKeys;
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

at::Tensor shares_of_text(const KeyMetric& metric, const at::Tensor& A) {
  if (!metric.moment().defined()) return {};
  return (A * ridged_product(metric.moment(), 0, A)).sum(0).clamp_min(0).sqrt();
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
  const bool by_keys = chosen_side(side, K.size(1), K.size(0)) == SolveSide::kKeys;
  return for_columns(y, [&](const at::Tensor& Y) {
    return where_it_fits(metric.device(), [&](const at::Device& device) {
      const at::Tensor there = K.to(device);
      const at::Tensor solved =
          by_keys ? solve_by_keys(metric, there, dense(Y).to(device), lambda)
                  : solve_by_elements(metric, there, answered_keys(K, Y).to(device), lambda);
      return solved.to(K.device());
    });
  });
}

Spectrum spectrum_of(const at::Tensor& C, const at::Device& device, const std::string& what) {
  if (!is_finite(C)) throw Error(ErrorKind::kNumeric, what + " holds NaN or infinite values");
  return where_it_fits(device, [&](const at::Device& where) -> Spectrum {
    const at::Tensor wide = C.to(where, at::kDouble);
    const auto [values, vectors] = is_diagonal(C) ? eigenpairs_of_diagonal(wide) : at::linalg_eigh(wide);
    return {values.to(at::kCPU), vectors};
  });
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
  const bool by_keys = chosen_side(side, reduced.size(1), reduced.size(0)) == SolveSide::kKeys;
  return for_columns(y, [&](const at::Tensor& Y) {
    const at::Tensor solved =
        by_keys
            ? solve_by_keys({}, reduced, dense(Y).to(into.device()), L)
            : solve_by_elements({}, reduced, at::matmul(into.t(), answered_keys(K, Y).to(into.device())), L);
    return at::matmul(into, solved).to(K.device());
  });
}

double norm_of(const at::Tensor& tensor) {
  return tensor.norm().item<double>();
}

double rank_one_norm(const at::Tensor& r, const at::Tensor& a) {
  return norm_of(r) * norm_of(a);
}

}  // namespace emend
