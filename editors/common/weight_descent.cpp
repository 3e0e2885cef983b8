#include "editors/common/weight_descent.h"

#include <ATen/ATen.h>

#include <cmath>

namespace emend::editors {

namespace {
constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEpsilon = 1e-8;
}

WeightDescent::WeightDescent(const at::Tensor& like, double step, double bound)
    : step_(step),
      bound_(bound),
      change_(at::zeros_like(like, like.options().dtype(at::kFloat))),
      first_(at::zeros_like(change_)),
      second_(at::zeros_like(change_)) {}

void WeightDescent::replace(const at::Tensor& change) {
  change_.copy_(change);
  if (bound_ <= 0) return;
  const double largest = change_.abs().max().item<double>();
  if (largest > bound_) change_.mul_(bound_ / largest).clamp_(-bound_, bound_);  // clamped: by rounding alone
}

void WeightDescent::update(const at::Tensor& gradient) {
  ++count_;
  const auto t = static_cast<double>(count_);
  first_.mul_(kBeta1).add_(gradient, 1 - kBeta1);
  second_.mul_(kBeta2).addcmul_(gradient, gradient, 1 - kBeta2);
  const at::Tensor root = (second_ / (1 - std::pow(kBeta2, t))).sqrt_().add_(kEpsilon);
  change_.addcdiv_(first_, root, -step_ / (1 - std::pow(kBeta1, t)));
  if (bound_ > 0) change_.clamp_(-bound_, bound_);
}

}  // namespace emend::editors
