#include "editors/common/adam.h"

#include <ATen/ATen.h>

#include <utility>

namespace emend::editors {

namespace {
constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEpsilon = 1e-8;
}

Adam::Adam(at::Tensor start, at::Tensor step, at::Tensor radius)
    : values_(std::move(start)),
      step_(std::move(step)),
      radius_(std::move(radius)),
      first_(at::zeros_like(values_)),
      second_(at::zeros_like(values_)),
      count_(at::zeros_like(step_)) {}

void Adam::update(const at::Tensor& rows, const at::Tensor&, const at::Tensor& gradient) {
  const at::Tensor m = kBeta1 * first_.index_select(0, rows) + (1 - kBeta1) * gradient;
  const at::Tensor v = kBeta2 * second_.index_select(0, rows) + (1 - kBeta2) * gradient.square();
  const at::Tensor t = count_.index_select(0, rows) + 1;
  const at::Tensor m_hat = m / (1 - at::pow(kBeta1, t)), v_hat = v / (1 - at::pow(kBeta2, t));
  at::Tensor x =
      values_.index_select(0, rows) - step_.index_select(0, rows) * m_hat / (v_hat.sqrt() + kEpsilon);
  const at::Tensor norm = x.norm(2, 1, true);
  x = x * at::clamp_max(radius_.index_select(0, rows) / at::clamp_min(norm, 1e-30), 1.0);
  first_.index_copy_(0, rows, m);
  second_.index_copy_(0, rows, v);
  count_.index_copy_(0, rows, t);
  values_.index_copy_(0, rows, x);
}

}  // namespace emend::editors
