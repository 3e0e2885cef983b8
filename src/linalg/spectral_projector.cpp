#include "linalg/spectral_projector.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>

#include "linalg/finite.h"
#include "linalg/lanczos.h"

namespace emend {

namespace {

// A step that begins with all |x| above this ends within rounding: Halley's iteration is cubic.
constexpr double kLastStep = 1 - 1e-5;
constexpr int kMostSteps = 8;
// The smallest |x| that weights are made for. It bounds c, by 1.6e4, and with it the condition of
// I + c X^2; smaller x grow 250-fold in a step and are reached by later ones.
constexpr double kLeastWeighted = 1e-3;

struct Weights {
  double a, b, c;
};

// The weights under which all x of [l, 1] come nearest to 1.
Weights weights_for(double l) {
  const double d = std::cbrt(4 * (1 - l * l) / (l * l * l * l)), root = std::sqrt(1 + d);
  const double a = root + std::sqrt(8 - 4 * d + 8 * (2 - l * l) / (l * l * root)) / 2;
  const double b = (a - 1) * (a - 1) / 4;
  return {a, b, a + b - 1};
}

double image(const Weights& w, double x) {
  return x * (w.a + w.b * x * x) / (1 + w.c * x * x);
}

at::Tensor symmetric(const at::Tensor& X) {
  return at::add(X, X.t()).mul_(0.5);
}

// The lower triangle of I + c X^2, by columns in portions: 9/16 of the whole product's operations.
at::Tensor weighted_square(const at::Tensor& X, double c) {
  constexpr std::int64_t kPortions = 8, kLeastColumns = 256;
  const std::int64_t n = X.size(0), portion = std::max(kLeastColumns, (n + kPortions - 1) / kPortions);
  at::Tensor Z = at::zeros_like(X);
  for (std::int64_t begin = 0; begin < n; begin += portion) {
    const std::int64_t columns = std::min(portion, n - begin);
    Z.slice(0, begin).narrow(1, begin, columns).copy_(at::mm(X.slice(0, begin), X.narrow(1, begin, columns)));
  }
  Z.mul_(c).diagonal().add_(1);
  return Z;
}

// The lower factor; undefined if there is none.
at::Tensor lower_factor(const at::Tensor& A) {
  auto [lower, status] = at::linalg_cholesky_ex(A);
  return status.item<int>() == 0 ? lower : at::Tensor();
}

// I - 2 tau (C + tau I)^-1; undefined if C + tau I is not positive definite.
at::Tensor first_iterate(const at::Tensor& C, double tau) {
  at::Tensor shifted = C.clone();
  shifted.diagonal().add_(tau);
  const at::Tensor lower = lower_factor(shifted);
  if (!lower.defined()) return {};
  shifted = at::Tensor();
  at::Tensor X = symmetric(at::cholesky_inverse(lower)).mul_(-2 * tau);
  X.diagonal().add_(1);
  return X;
}

at::Tensor halley_step(const at::Tensor& X, const Weights& w) {
  const at::Tensor lower = lower_factor(weighted_square(X, w.c));
  if (!lower.defined()) return {};
  at::Tensor next = at::cholesky_solve(X, lower);
  next.mul_(w.a - w.b / w.c).add_(X, w.b / w.c);
  return symmetric(next);
}

// The smallest |x| of X, from above: 1 - x^2 is the largest eigenvalue of I - X^2.
double smallest_magnitude(const at::Tensor& X) {
  const auto apply = [&](const at::Tensor& v) { return v - at::mm(X, at::mm(X, v)); };
  return std::sqrt(std::max(0.0, 1 - lanczos(X.size(0), X.options(), apply).largest));
}

// sign(C - tau I); undefined if the steps do not come to an end.
at::Tensor sign_of_shifted(const at::Tensor& C, double tau) {
  at::Tensor X = first_iterate(C, tau);
  double l = kLeastWeighted;
  for (int step = 0; X.defined() && step < kMostSteps; ++step) {
    const Weights weights = weights_for(l);
    X = halley_step(X, weights);
    if (!X.defined() || l >= kLastStep) return X;
    l = std::max(kLeastWeighted, std::min(image(weights, l), smallest_magnitude(X)));
  }
  return {};
}

// Its rank if P is a projector: tr(P) - tr(P^T P) is the sum of p (1 - p) over its eigenvalues.
std::optional<std::int64_t> rank_of(const at::Tensor& P) {
  const auto n = static_cast<double>(P.size(0));
  const double trace = P.trace().item<double>(), rank = std::round(trace);
  const double square = P.square().sum().item<double>();
  const bool projects = std::abs(trace - square) <= 1e-12 * n && std::abs(trace - rank) <= 1e-12 * n;
  return projects ? std::optional(static_cast<std::int64_t>(rank)) : std::nullopt;
}

std::optional<SpectralProjector> projector_on(const at::Tensor& C, double tau) {
  if (!is_finite(C)) return std::nullopt;
  at::Tensor P = sign_of_shifted(C, tau);
  if (!P.defined()) return std::nullopt;
  P.mul_(-0.5).diagonal().add_(0.5);
  const std::optional<std::int64_t> rank = rank_of(P);
  if (!rank) return std::nullopt;
  const double energy = (P * C).sum().item<double>() / C.trace().item<double>();
  return SpectralProjector{P, *rank, energy};
}

}  // namespace

bool is_projected_sooner(std::int64_t n, const at::Device& device) {
  constexpr std::int64_t kLeastOnGpu = 2048;
  return device.is_cuda() && n >= kLeastOnGpu;
}

std::optional<SpectralProjector> projector_below(const at::Tensor& C, double threshold,
                                                 const at::Device& device) {
  try {
    return projector_on(C.to(device, at::kDouble), threshold);
  } catch (const c10::OutOfMemoryError&) {
    if (device.is_cpu()) throw;
    return std::nullopt;
  }
}

}  // namespace emend
