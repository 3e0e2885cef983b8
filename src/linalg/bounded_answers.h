// Answers that may be anything up to a bound: how softly each key has to be held so that the answer at it
// stays within its bound, and which keys need not be held at all.
//
//   a = argmin a^T C a   subject to   K^T a = y,  |P^T a| <= t
//
// is solved by its dual, a lasso in the multipliers m of P: with the Schur complement S of K in the Gram
// matrix of all keys under C^-1 and the answers b at P of a response held at K alone,
//
//   m = argmin 1/2 m^T S m + b^T m + t^T |m|
//
// Where m_i = 0 the bound keeps itself. Elsewhere the answer is -t_i sign(m_i), which is what the slack
// t_i / |m_i| gives (key_response): a system of equalities and slacks that is solved again, as in a patch,
// gives the same response.
#pragma once

#include <ATen/core/Tensor.h>

namespace emend {

// [p] float64, in units of each key's k^T C^-1 k as KeyConstraint::slack: 0 where the bound is 0, infinite
// for a key that need not be held. `gram` [n + p, n + p] float64 is that of K and then P, positive definite
// in K; y [n]; `bounds` [p], >= 0. By coordinate descent, at most `rounds` times over the keys: about p^2
// operations each. Throws Error(kNumeric) if the keys of K are linearly dependent.
at::Tensor slack_within(const at::Tensor& gram, const at::Tensor& y, const at::Tensor& bounds,
                        int rounds = 10000);

}  // namespace emend
