// Stored tensors into the weights that they fill, on several threads, and the digests of their bytes.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "emend/model.h"
#include "emend/progress.h"
#include "emend/tensor_file.h"
#include "model/families/family.h"

namespace emend {

// One tensor of the file and the weight that it fills.
struct WeightFilling {
  at::Tensor target;
  const TensorInfo* tensor;  // of a type that can be read
  StoredForm form = StoredForm::kPlain;
  bool from_zero = false;  // the file has what is added to 1
};

// A stored tensor in the order of the pass: itself, a view of it, or where rows are grouped a copy.
at::Tensor in_order_of_pass(const at::Tensor& stored, StoredForm form, const ModelConfig& config);

enum class Digests { kTake, kSkip };

// Digests of the stored bytes (XXH3-128), in the order of `fillings`, empty where they are skipped. float32
// and bfloat16 weights on the CPU are written in place, portion by portion, so that beyond them nothing of a
// tensor's size is held; the pages of the file are given back once they are read. `progress` hears of every
// tensor, on this thread. Throws Error(kModel) naming the first tensor that holds NaN or infinite values.
std::vector<std::string> fill_weights(const TensorFile& file, const std::vector<WeightFilling>& fillings,
                                      const ModelConfig& config, int threads, Progress& progress,
                                      Digests digests = Digests::kTake);

}  // namespace emend
