// What a weight is with a change laid on it.
#pragma once

#include <vector>

#include "emend/edit.h"
#include "emend/model.h"

namespace emend {

// Throws Error(kModel) naming the first change that does not fit the model.
void require_fit(const Model& model, const std::vector<WeightChange>& changes);

// W + B A or W + D, added in float32 and rounded once to W's dtype; a new tensor [out, in].
at::Tensor changed_weight(const at::Tensor& weight, const WeightChange& change);

}  // namespace emend
