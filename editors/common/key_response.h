// The left side of an update in closed form: which vector a answers y at the keys K and is quietest elsewhere.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "linalg/spd_factor.h"

namespace emend {

// Solves with C, or with the identity (C = I of other tools).
class KeyMetric {
 public:
  KeyMetric() = default;  // the identity
  explicit KeyMetric(std::shared_ptr<const SpdFactor> factor) : factor_(std::move(factor)) {}

  // C^-1 K for K [F, n] float64.
  at::Tensor solve(const at::Tensor& K) const { return factor_ ? factor_->solve(K) : K; }
  double condition() const { return factor_ ? factor_->info().condition : 1; }

 private:
  std::shared_ptr<const SpdFactor> factor_;
};

// a [F] float64 = C^-1 K (K^T C^-1 K)^-1 y: argmin a^T C a subject to K^T a = y. K [F, n] float64, y [n].
// Several right sides at once: y [n, q] gives [F, q]. Throws Error(kNumeric) when K's columns are dependent.
at::Tensor key_response(const KeyMetric& metric, const at::Tensor& K, const at::Tensor& y);

// Cosines of the columns of K under C^-1: [n, n], unit diagonal.
at::Tensor key_cosines(const KeyMetric& metric, const at::Tensor& K);

// Ratio of largest to smallest eigenvalue of a symmetric matrix [n, n] float64; infinite when the smallest is not positive.
double gram_condition(const at::Tensor& gram);

}  // namespace emend
