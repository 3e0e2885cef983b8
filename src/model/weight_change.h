// One low-rank change of a weight: does it fit, and what the weight is with it.
#pragma once

#include <vector>

#include "emend/edit.h"
#include "emend/model.h"

namespace emend {

// Throws Error(kModel) naming the first change that does not fit the model's shape.
void require_fit(const Model& model, const std::vector<WeightChange>& changes);

// W + B A, added in float32 and rounded once to W's dtype; a new tensor [D, F].
at::Tensor changed_weight(const at::Tensor& weight, const WeightChange& change);

}  // namespace emend
