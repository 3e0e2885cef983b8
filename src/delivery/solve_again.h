// The change of one layer from what its facts hold: keys, answers, residuals.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "emend/edit.h"

namespace emend {

// Whether the responses of an edit are a joint solution at its keys; if not, each answers its own key, and a
// fact can be taken out row by row.
bool is_joint_solution(const Edit& edit);

// Whether C entered them.
bool uses_moments(const Edit& edit);

// The option `ridge`, 0 where there is none. Throws Error(kFormat) when it is no number from 0.
double ridge_of(const Edit& edit);

// The row of A (and column of B) that carries a fact: its column is nearest to the residual.
std::int64_t own_row(const at::Tensor& B, const at::Tensor& residual);

// Facts of one layer with one key share a row. Fills the facts' norms. `C` is undefined for C = I; `ridge` in
// units of trace(C) / F. Throws Error(kConfig) for keys that can hardly be told apart, Error(kNumeric).
WeightChange solve_again(int layer, const std::vector<EditedFact*>& facts, const at::Tensor& C, double ridge);

}  // namespace emend
