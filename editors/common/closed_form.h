// The left side of an update in closed form: which vector a answers y at the keys K and is quietest
// elsewhere.
//
//   one edit    a = C^-1 K (K^T C^-1 K)^-1 y,              Delta = r a^T
//   jointly     A^T = C^-1 K (K^T C^-1 K)^-1 Y,            Delta = R A = R_Y (K^T C^-1 K)^-1 K^T C^-1
//
// C = E[k k^T] is the second moment of the layer's keys. K [F, n] holds the keys of all edits and the
// protected ones, Y [n, q] what edit q answers at each, R [D, q] the residuals, R_Y = R Y^T [D, n] the
// residual wanted at each key. With one key and y = 1 this is the update of ROME (Meng et al. 2022, Locating
// and Editing Factual Associations in GPT, equation 2); with several it is least squares under equality
// constraints (Gupta et al. 2024, A Unified Framework for Model Editing: EMMET). All in float64,
// by Cholesky factors, never by an inverse.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "emend/edit.h"
#include "linalg/key_response.h"

namespace emend {

// What one edit asks of its response: K^T a = y.
struct KeyConstraint {
  at::Tensor K;  // [F, n] float64
  at::Tensor y;  // [n] float64
};

// The same with one more key [F] that must not move: a column of K, a 0 in y. An undefined key adds nothing.
KeyConstraint with_protected(const KeyConstraint& constraint, const at::Tensor& key);

// One response for each edit [F, q]: column g answers y_g at its own keys, and 0 at everybody else's and at
// the protected key [F] (may be undefined). Throws as key_response does.
at::Tensor joint_key_response(const KeyMetric& metric, const std::vector<KeyConstraint>& edits,
                              const at::Tensor& protected_key);

// The keys of all edits, the protected one last [F, n].
at::Tensor joint_keys(const std::vector<KeyConstraint>& edits, const at::Tensor& protected_key);

// As the published program of ROME has it: the direction C^-1 k of one key [F], and the length that makes it
// answer 1 at another. Nothing when the two are orthogonal under C^-1.
std::optional<at::Tensor> published_response(const KeyMetric& metric, const at::Tensor& direction_key,
                                             const at::Tensor& answer_key);

// Delta = sum_g r_g a_g^T of one weight in factors: A holds the responses [F], B the residuals [D]. float32.
WeightChange closed_form_change(const WeightRef& weight, const std::vector<at::Tensor>& responses,
                                const std::vector<at::Tensor>& residuals);

}  // namespace emend
