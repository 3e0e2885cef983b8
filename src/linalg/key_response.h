// The vector a that answers y at the keys K and is quietest elsewhere: argmin a^T C a subject to K^T a = y.
// C = E[k k^T] is the second moment of the layer's keys. With one key and y = 1 this is the direction of ROME
// (Meng et al. 2022, Locating and Editing Factual Associations in GPT, equation 2); with several it is least
// squares under equality constraints (Gupta et al. 2024, A Unified Framework for Model Editing: EMMET). All
// in float64 on the CPU, by Cholesky factors, never by an inverse.
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
  // Of the factor; nullptr for the identity.
  const SpdInfo* info() const { return factor_ ? &factor_->info() : nullptr; }

 private:
  std::shared_ptr<const SpdFactor> factor_;
};

// a [F] float64 = C^-1 K (K^T C^-1 K)^-1 y: argmin a^T C a subject to K^T a = y. K [F, n] float64, y [n].
// Several right sides at once: y [n, q] gives [F, q]. Throws Error(kNumeric) when K's columns are dependent.
at::Tensor key_response(const KeyMetric& metric, const at::Tensor& K, const at::Tensor& y);

// Cosines of the columns of K under C^-1: [n, n], unit diagonal.
at::Tensor key_cosines(const KeyMetric& metric, const at::Tensor& K);

// Keys whose cosines have a larger condition can hardly be told apart: their residuals would be written with
// errors that show.
inline constexpr double kWorstGramCondition = 1e8;

// Ratio of largest to smallest eigenvalue of a symmetric matrix [n, n] float64; infinite when the smallest is
// not positive.
double gram_condition(const at::Tensor& gram);

}  // namespace emend
