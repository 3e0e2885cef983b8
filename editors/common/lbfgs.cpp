#include "editors/common/lbfgs.h"

#include <ATen/ATen.h>

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

namespace emend::editors {

namespace {

constexpr double kArmijo = 1e-4, kShorten = 0.4, kTiny = 1e-30;

// A step may lead this much beyond the logit that is aimed at, since it can fall short of what it promises,
// and by this much at least.
constexpr double kMargin = 0.5;

at::Tensor row_dot(const at::Tensor& a, const at::Tensor& b) {
  return (a * b).sum(-1, true);
}

// x, or where it is longer, x of length `longest`.
at::Tensor cut(const at::Tensor& x, const at::Tensor& longest) {
  return x * at::clamp_max(longest / at::clamp_min(x.norm(2, -1, true), kTiny), 1.0);
}

// H g by the two loops over the pairs, from the newest to the oldest and back. Pairs that are not there count
// for nothing.
at::Tensor two_loops(const at::Tensor& s, const at::Tensor& y, const at::Tensor& scale,
                     const at::Tensor& gradient) {
  const std::int64_t pairs = s.size(1);
  std::vector<at::Tensor> shares(static_cast<std::size_t>(pairs));
  at::Tensor q = gradient;
  for (std::int64_t k = pairs - 1; k >= 0; --k) {
    at::Tensor& share = shares[static_cast<std::size_t>(k)];
    share = scale.select(1, k) * row_dot(s.select(1, k), q);
    q = q - share * y.select(1, k);
  }
  const at::Tensor newest = y.select(1, pairs - 1);
  q = q / at::clamp_min(scale.select(1, pairs - 1) * row_dot(newest, newest), kTiny);
  for (std::int64_t k = 0; k < pairs; ++k) {
    const at::Tensor back = scale.select(1, k) * row_dot(y.select(1, k), q);
    q = q + (shares[static_cast<std::size_t>(k)] - back) * s.select(1, k);
  }
  return q;
}

// Of steps from points of these losses [n, 1], which fall by `slope` (negative) along the whole step: the
// share that leads to a probability whose logit is `logit`, at most 1.
at::Tensor share_to(double logit, const at::Tensor& losses, const at::Tensor& slope) {
  const at::Tensor loss = at::clamp_min(losses, 1e-9);
  const at::Tensor missing = -at::expm1(-loss);  // 1 - p; d loss / d logit = -(1 - p)
  const at::Tensor rise = at::clamp_min(logit + loss + missing.log(), 0.0) + kMargin;
  return at::clamp_max(rise * missing / at::clamp_min(-slope.to(at::kDouble), kTiny), 1.0);
}

at::Tensor with_newest(const at::Tensor& history, const at::Tensor& newest, const at::Tensor& taken) {
  const at::Tensor shifted = at::cat({history.narrow(1, 1, history.size(1) - 1), newest.unsqueeze(1)}, 1);
  return at::where(taken.unsqueeze(1), shifted, history);
}

}  // namespace

Lbfgs::Lbfgs(at::Tensor start, LbfgsBounds bounds)
    : values_(std::move(start)),
      clamp_(std::move(bounds.clamp)),
      radius_(at::minimum(bounds.radius, clamp_)),
      growth_(bounds.growth),
      aim_(bounds.aim),
      point_(values_.clone()),
      loss_(at::zeros(radius_.sizes(), radius_.options().dtype(at::kDouble))),
      gradient_(at::zeros_like(values_)),
      begins_(at::ones(radius_.sizes(), radius_.options().dtype(at::kBool))),
      shortened_(at::zeros_like(begins_)) {
  pairs_.s = at::zeros({values_.size(0), kPairs, values_.size(1)}, values_.options());
  pairs_.y = at::zeros_like(pairs_.s);
  pairs_.inverse = at::zeros({values_.size(0), kPairs, 1}, values_.options());
}

void Lbfgs::change_loss(const at::Tensor& rows) {
  begins_.index_fill_(0, rows, 1);
  shortened_.index_fill_(0, rows, 0);
}

// The pairs with that of an accepted step and what the gradient changed along it, where the loss bends up.
Lbfgs::Pairs Lbfgs::remember(const at::Tensor& rows, const at::Tensor& accepted, const at::Tensor& step,
                             const at::Tensor& bend) {
  const at::Tensor product = row_dot(step, bend);
  const at::Tensor taken = accepted & (product > 0);
  Pairs pairs{with_newest(pairs_.s.index_select(0, rows), step, taken),
              with_newest(pairs_.y.index_select(0, rows), bend, taken),
              with_newest(pairs_.inverse.index_select(0, rows), 1 / at::clamp_min(product, kTiny), taken)};
  pairs_.s.index_copy_(0, rows, pairs.s);
  pairs_.y.index_copy_(0, rows, pairs.y);
  pairs_.inverse.index_copy_(0, rows, pairs.inverse);
  return pairs;
}

// From the accepted points on, inside the clamp; along the gradient where the pairs lead nowhere.
at::Tensor Lbfgs::next_step(const at::Tensor& rows, const Pairs& pairs) const {
  const at::Tensor point = point_.index_select(0, rows), gradient = gradient_.index_select(0, rows);
  const at::Tensor radius = radius_.index_select(0, rows), clamp = clamp_.index_select(0, rows);
  const auto inside = [&](const at::Tensor& step) { return cut(point + step, clamp) - point; };
  const at::Tensor steepest = inside(-radius * gradient / at::clamp_min(gradient.norm(2, 1, true), kTiny));
  const at::Tensor bent = inside(-cut(two_loops(pairs.s, pairs.y, pairs.inverse, gradient), radius));
  const at::Tensor descends =
      (pairs.inverse.select(1, kPairs - 1) > 0) & (row_dot(gradient, bent) < 0);  // false for no number
  const at::Tensor step = at::where(descends, bent, steepest);
  if (aim_ <= 0) return step;
  const double logit = std::log(aim_ / (1 - aim_));
  return step * share_to(logit, loss_.index_select(0, rows), row_dot(gradient, step)).to(step.dtype());
}

void Lbfgs::update(const at::Tensor& rows, const at::Tensor& losses, const at::Tensor& gradient) {
  const at::Tensor point = point_.index_select(0, rows), step = values_.index_select(0, rows) - point;
  const at::Tensor old_gradient = gradient_.index_select(0, rows), old_loss = loss_.index_select(0, rows);
  const at::Tensor begins = begins_.index_select(0, rows), shortened = shortened_.index_select(0, rows);
  const at::Tensor radius = radius_.index_select(0, rows), clamp = clamp_.index_select(0, rows);
  const at::Tensor promised = row_dot(old_gradient, step).to(at::kDouble);
  const at::Tensor accepted = begins | (losses <= old_loss + kArmijo * at::clamp_max(promised, 0.0));

  const Pairs pairs = remember(rows, accepted & ~begins, step, gradient - old_gradient);
  point_.index_copy_(0, rows, at::where(accepted, point + step, point));
  loss_.index_copy_(0, rows, at::where(accepted, losses, old_loss));
  gradient_.index_copy_(0, rows, at::where(accepted, gradient, old_gradient));
  const at::Tensor grown = at::where(begins | shortened, radius, at::minimum(growth_ * radius, clamp));
  radius_.index_copy_(0, rows, at::where(accepted, grown, 0.5 * radius));
  begins_.index_fill_(0, rows, 0);
  shortened_.index_copy_(0, rows, ~accepted);

  const at::Tensor onward = at::where(accepted, next_step(rows, pairs), kShorten * step);
  values_.index_copy_(0, rows, point_.index_select(0, rows) + onward);
}

}  // namespace emend::editors
