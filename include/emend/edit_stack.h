// Changes that stay on a model until they are taken off, in any order: what a long-lived process uses where ScopedEdit, which
// ends with its scope, does not fit.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <vector>

#include "emend/edit.h"
#include "emend/model.h"

namespace emend {

// Owns no model; the model must outlive it and be changed by nobody else meanwhile. Not thread-safe. Memory: the unedited weight of each
// block that is changed, once, and the factors of each set of changes.
class EditStack {
 public:
  explicit EditStack(Model& model) : model_(model) {}
  ~EditStack();  // takes all off
  EditStack(const EditStack&) = delete;
  EditStack& operator=(const EditStack&) = delete;

  // Lays changes over those that are on, as ScopedEdit does: W += B A in float32, rounded once to the model's dtype. Returns the
  // number by which they are taken off; no number is given twice. Throws Error(kModel) when a change does not fit the model;
  // whatever is thrown, nothing has changed. remove likewise.
  std::uint64_t push(std::vector<WeightChange> changes);
  // Takes off one set: the weights are byte for byte those of the others alone, laid in their order. False: not on.
  bool remove(std::uint64_t id);
  void clear();
  std::size_t size() const { return sets_.size(); }

  // All off for a scope, and the same tensors on again at its end.
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
  std::map<WeightRef, at::Tensor> base_;                           // the weights of changed blocks as they were
  std::map<std::uint64_t, std::vector<WeightChange>> sets_;  // in the order in which they were laid
  std::uint64_t next_ = 1;
};

}  // namespace emend
