#include <ATen/ATen.h>

#include <map>

#include "emend/edit.h"
#include "model/weight_change.h"

namespace emend {

ScopedEdit::ScopedEdit(Model& model, const std::vector<WeightChange>& changes) : model_(model) {
  require_fit(model, changes);
  // All are computed before the first is laid: if one throws, no destructor would put the others back.
  std::map<WeightRef, at::Tensor> edited;
  for (const WeightChange& change : changes) {
    const auto found = edited.try_emplace(change.weight, model.weight(change.weight)).first;
    found->second = changed_weight(found->second, change);
  }
  saved_.reserve(edited.size());
  for (const auto& [weight, tensor] : edited)
    saved_.emplace_back(weight, model.weight(weight));  // the tensor itself: the edited weight is a new one
  for (const auto& [weight, tensor] : edited) model.weight(weight) = tensor;
}

ScopedEdit::~ScopedEdit() {
  for (auto it = saved_.rbegin(); it != saved_.rend(); ++it) model_.weight(it->first) = it->second;
}

}  // namespace emend
