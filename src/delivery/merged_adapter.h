// A LoRA adapter merged into a model in memory for a scope: W + B A at each of its matrices.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "emend/adapter.h"
#include "emend/model.h"

namespace emend {

// One module of an adapter at its place in a model.
struct MergedMatrix {
  int block = 0;
  at::Tensor BlockWeights::*weight = nullptr;  // which may be a fused one,
  std::int64_t first_row = 0;                  // whose rows from here on the module writes
  at::Tensor A;                                // [r, in] float32
  at::Tensor B;                                // [rows, r] float32, rows in the order of the pass
};

// Where the modules go. Throws Error(kModel) as require_fit does.
std::vector<MergedMatrix> place_adapter(const LoraAdapter& adapter, const Model& model);

// Adds in float32 and rounds to the model's dtype. All blocks of the model must be kept in memory
// (Model::first_kept_block() is 0). Weights are written in place and hold their old numbers again at the end.
class ScopedAdapter {
 public:
  // Throws Error(kModel) as require_fit does, before anything is changed; and for a sum that is not finite in
  // the model's dtype (the module is named): the weights hold their old numbers then.
  ScopedAdapter(const Model& model, const LoraAdapter& adapter);
  ~ScopedAdapter();
  ScopedAdapter(const ScopedAdapter&) = delete;
  ScopedAdapter& operator=(const ScopedAdapter&) = delete;

 private:
  void put_back();

  std::vector<std::pair<at::Tensor, at::Tensor>> saved_;  // rows of a weight, and what they held
};

}  // namespace emend
