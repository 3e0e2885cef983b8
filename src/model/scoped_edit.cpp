#include <ATen/ATen.h>

#include "emend/edit.h"
#include "model/weight_change.h"

namespace emend {

ScopedEdit::ScopedEdit(Model& model, const std::vector<WeightChange>& changes) : model_(model) {
  require_fit(model, changes);
  for (const WeightChange& change : changes) {
    at::Tensor& weight = model.weight(change.weight);
    saved_.emplace_back(change.weight, weight);  // the tensor itself: the edited weight is a new one
    weight = changed_weight(weight, change);
  }
}

ScopedEdit::~ScopedEdit() {
  for (auto it = saved_.rbegin(); it != saved_.rend(); ++it) model_.weight(it->first) = it->second;
}

}  // namespace emend
