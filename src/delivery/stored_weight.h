// A down projection as a checkpoint stores it, as a matrix in the math orientation, and back.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <vector>

#include "emend/model.h"
#include "emend/tensor_file.h"

namespace emend {

// The checkpoint's tensor of a weight. Throws Error(kModel) when it is stored in no file (a model made in
// memory).
const RoleEntry& stored_entry(const Model& model, const WeightRef& weight);

// W [D, F], float32; float64 where the file stores that.
at::Tensor read_weight(const TensorFile& file, const TensorInfo& tensor, bool transposed);

// W in the stored orientation, rounded to `type`, which can be written. Rows must be whole blocks. Values
// must be finite.
std::vector<std::byte> encode_weight(const at::Tensor& W, const ElementType& type, bool transposed);

// The way back: what a reader of these bytes gets, float32 (float64 for F64), [D, F].
at::Tensor decode_weight(const std::vector<std::byte>& bytes, const ElementType& type, std::int64_t d_model,
                         std::int64_t d_ff, bool transposed);

}  // namespace emend
