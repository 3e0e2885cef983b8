// Weights as a stored type leaves them, put in the place of others in memory for a scope.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "emend/edit.h"
#include "emend/model.h"
#include "emend/tensor_file.h"

namespace emend {

// A type that an edit can be written in, by its name in either case. Throws Error(kUsage) for any other, with
// the known ones.
const ElementType& type_named(std::string name);

// The type, or where rows of `row` elements are no whole number of its blocks the one that llama-quantize
// takes instead. Throws Error(kConfig) where that does not fit either.
const ElementType& type_of_rows(const ElementType& wanted, std::int64_t row);

// W [out, in] as a reader of this type gets it, float32 on the CPU.
at::Tensor rounded(const at::Tensor& W, const ElementType& wanted);

// The types that stand in for the one asked for in some matrices: "Q5_0"; empty: none do.
std::string stand_ins(const Model& model, const ElementType& type, bool everywhere);

// These float32 matrices in the place of the model's own, in its type and on its device. If the constructor
// throws, the model is as it was: Error(kModel) for a weight that it does not have, or one of other sizes.
class ScopedWeights {
 public:
  ScopedWeights(Model& model, const std::map<WeightRef, at::Tensor>& weights);
  ~ScopedWeights();
  ScopedWeights(const ScopedWeights&) = delete;
  ScopedWeights& operator=(const ScopedWeights&) = delete;

 private:
  Model& model_;
  std::vector<std::pair<WeightRef, at::Tensor>> saved_;
};

// Every matrix of every block rounded, as it is when this begins. Fused matrices have the rows of their
// parts. If the constructor throws what type_of_rows does, the model is as it was.
class RoundedBlocks {
 public:
  RoundedBlocks(const Model& model, const ElementType& type);
  ~RoundedBlocks();
  RoundedBlocks(const RoundedBlocks&) = delete;
  RoundedBlocks& operator=(const RoundedBlocks&) = delete;

 private:
  void put_back();

  std::vector<std::pair<at::Tensor, at::Tensor>> saved_;
};

}  // namespace emend
