#include "emend/edit_stack.h"

#include <ATen/ATen.h>

#include "model/weight_change.h"

namespace emend {
namespace {

using Weights = std::map<WeightRef, at::Tensor>;

// The weights that `changes` make of `weights`, which hold every block that is changed.
void lay(const std::vector<WeightChange>& changes, Weights& weights) {
  for (const WeightChange& change : changes) {
    at::Tensor& weight = weights.at(change.weight);
    weight = changed_weight(weight, change);
  }
}

}  // namespace

EditStack::~EditStack() {
  put(base_);
}

std::uint64_t EditStack::push(std::vector<WeightChange> changes) {
  require_fit(model_, changes);
  Weights base = base_, laid;
  for (const WeightChange& change : changes) {
    base.emplace(change.weight, model_.weight(change.weight));
    laid.emplace(change.weight, model_.weight(change.weight));
  }
  lay(changes, laid);
  sets_.emplace(next_, std::move(changes));
  base_ = std::move(base);  // nothing throws from here on
  put(laid);
  return next_++;
}

bool EditStack::remove(std::uint64_t id) {
  const auto found = sets_.find(id);
  if (found == sets_.end()) return false;
  Weights base, laid = base_;
  for (const auto& [other, changes] : sets_) {
    if (other == id) continue;
    for (const WeightChange& change : changes) base.emplace(change.weight, base_.at(change.weight));
    lay(changes, laid);
  }
  sets_.erase(found);
  base_ = std::move(base);
  put(laid);
  return true;
}

void EditStack::clear() {
  put(base_);
  sets_.clear();
  base_.clear();
}

void EditStack::put(const Weights& weights) {
  for (const auto& [weight, tensor] : weights) model_.weight(weight) = tensor;
}

EditStack::Lifted::Lifted(EditStack& stack) : stack_(stack) {
  for (const auto& entry : stack.base_) laid_.emplace(entry.first, stack.model_.weight(entry.first));
  stack.put(stack.base_);
}

EditStack::Lifted::~Lifted() {
  stack_.put(laid_);
}

}  // namespace emend
