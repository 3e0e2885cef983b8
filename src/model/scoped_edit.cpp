#include <ATen/ATen.h>

#include <map>
#include <utility>

#include "emend/edit.h"
#include "model/weight_change.h"

namespace emend {

ScopedEdit::ScopedEdit(Model& model, const std::vector<WeightChange>& changes) : model_(model) {
  require_fit(model, changes);
  // All are computed before the first is laid: if one throws, no destructor would put the others back.
  std::map<WeightRef, at::Tensor> edited;
  for (const WeightChange& change : changes) {
    const auto found = edited.find(change.weight);
    const at::Tensor before =
        found == edited.end() ? std::as_const(model).weight(change.weight) : found->second;
    edited.insert_or_assign(change.weight, changed_weight(before, change));
  }
  saved_.reserve(edited.size());
  for (const auto& [weight, tensor] :
       edited)  // what is saved is the tensor itself: the edited one is another
    saved_.emplace_back(weight, model.exchange_weight(weight, tensor));
}

ScopedEdit::~ScopedEdit() {
  for (auto it = saved_.rbegin(); it != saved_.rend(); ++it) model_.exchange_weight(it->first, it->second);
}

}  // namespace emend
