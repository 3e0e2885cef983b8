#include "linalg/bounded_answers.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "emend/error.h"

namespace emend {

namespace {

// A round that moves no answer by more than this ends the descent.
constexpr double kStill = 1e-12;

// A key of which the keys in K leave less than this share is one of them: nothing can be held there.
constexpr double kNothingLeft = 1e-10;

// The Schur complement of K and the answers at P, of a response held at K alone.
struct Reduced {
  at::Tensor S;  // [p, p]
  at::Tensor b;  // [p]
};

Reduced reduce(const at::Tensor& gram, const at::Tensor& y) {
  const std::int64_t n = y.size(0), p = gram.size(0) - n;
  const at::Tensor scale = gram.diagonal().rsqrt();
  const at::Tensor scaled = gram * scale.unsqueeze(1) * scale;
  const auto [lower, status] = at::linalg_cholesky_ex(scaled.slice(0, 0, n).slice(1, 0, n));
  if (status.item<int>() != 0)
    throw Error(ErrorKind::kNumeric,
                "the edits' keys are linearly dependent; their residuals cannot all be written");
  const at::Tensor cross = scaled.slice(0, 0, n).slice(1, n);  // [n, p]
  const at::Tensor right = at::cat({cross, (scale.slice(0, 0, n) * y).unsqueeze(1)}, 1);
  const at::Tensor solved = at::cholesky_solve(right, lower, /*upper=*/false);
  const at::Tensor S = scaled.slice(0, n).slice(1, n) - at::matmul(cross.t(), solved.slice(1, 0, p));
  const at::Tensor b = at::mv(cross.t(), solved.select(1, p));
  return {S.contiguous(), b.contiguous()};  // of keys of unit length under C^-1
}

double shrunk(double value, double by) {
  return std::copysign(std::max(std::abs(value) - by, 0.0), value);
}

}  // namespace

at::Tensor slack_within(const at::Tensor& gram, const at::Tensor& y, const at::Tensor& bounds, int rounds) {
  const std::int64_t n = y.size(0), p = bounds.size(0);
  const Reduced reduced = reduce(gram, y);
  if (!bounds.any().item<bool>()) return at::zeros({p}, at::kDouble);  // all are exact: nothing to weigh
  const at::Tensor unit = (bounds * gram.diagonal().slice(0, n).rsqrt()).contiguous();
  const double* const S = reduced.S.const_data_ptr<double>();
  const double* const t = unit.const_data_ptr<double>();
  std::vector<double> m(static_cast<std::size_t>(p), 0.0);
  std::vector<double> answers(reduced.b.const_data_ptr<double>(), reduced.b.const_data_ptr<double>() + p);
  for (int round = 0; round < rounds; ++round) {
    double moved = 0;
    for (std::int64_t i = 0; i < p; ++i) {
      const double own = S[i * p + i];
      if (own < kNothingLeft) continue;
      const auto at = static_cast<std::size_t>(i);
      const double next = -shrunk(answers[at] - own * m[at], t[i]) / own, step = next - m[at];
      if (step == 0) continue;
      m[at] = next;
      moved = std::max(moved, std::abs(step) * own);
      for (std::int64_t j = 0; j < p; ++j) answers[static_cast<std::size_t>(j)] += step * S[i * p + j];
    }
    if (moved < kStill) break;
  }
  at::Tensor slack = at::full({p}, std::numeric_limits<double>::infinity(), at::kDouble);
  double* const out = slack.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < p; ++i)
    if (const double held = std::abs(m[static_cast<std::size_t>(i)]); held > 0 || t[i] == 0)
      out[i] = t[i] == 0 ? 0 : t[i] / held;
  return slack;
}

}  // namespace emend
