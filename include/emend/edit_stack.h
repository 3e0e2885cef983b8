// Changes that stay on a model until they are taken off, in any order. It is for long-lived processes;
// ScopedEdit is simpler where the change ends with a scope.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <vector>

#include "emend/edit.h"
#include "emend/model.h"

namespace emend {

// The model must outlive the stack, and nothing else may change it meanwhile. Not thread-safe. Memory: one
// copy of each changed weight as it was, and the factors of each set of changes.
class EditStack {
 public:
  explicit EditStack(Model& model) : model_(model) {}
  ~EditStack();  // takes all off
  EditStack(const EditStack&) = delete;
  EditStack& operator=(const EditStack&) = delete;

  // Lays changes over those that are on the model, as ScopedEdit does: W += B A in float32, rounded once to
  // the model's dtype. Returns the number by which they are taken off; no number is given twice. Throws
  // Error(kModel) if a change does not fit the model. If push or remove throws, the model is as before.
  std::uint64_t push(std::vector<WeightChange> changes);
  // Takes off one set. The weights are then byte for byte those of the other sets, laid in their order.
  // Returns false if no set has this number.
  bool remove(std::uint64_t id);
  void clear();
  std::size_t size() const { return sets_.size(); }

  // Takes all sets off for a scope, and puts the same tensors on again at its end.
  class Lifted {
   public:
    explicit Lifted(EditStack& stack);
    ~Lifted();
    Lifted(const Lifted&) = delete;
    Lifted& operator=(const Lifted&) = delete;

   private:
    EditStack& stack_;
    std::map<WeightRef, at::Tensor> laid_;
  };

 private:
  void put(const std::map<WeightRef, at::Tensor>& weights);

  Model& model_;
  std::map<WeightRef, at::Tensor> base_;                     // the weights of changed blocks as they were
  std::map<std::uint64_t, std::vector<WeightChange>> sets_;  // in the order in which they were laid
  std::uint64_t next_ = 1;
};

}  // namespace emend
