// An edited weight in the quantised type of its base, and what that costs.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <span>
#include <vector>

#include "emend/tensor_file.h"
#include "emend/write_back.h"

namespace emend {

// A weight that is stored in blocks along its rows. All tensors are float64 and contiguous, [out, in] and
// [n, in].
struct OwnTypeWeight {
  const ElementType* type = nullptr;  // with a format
  std::span<const std::byte> base;    // as stored
  at::Tensor delta;                   // the wanted change
  at::Tensor keys;                    // where its value counts
  at::Tensor C;                       // [in, in], or its diagonal [in]; undefined: the identity
};

// The bytes of W + delta (feedback_rounding.h), on all threads; they do not depend on how many there are.
std::vector<std::byte> round_to_own_type(const OwnTypeWeight& weight);

// What these bytes do; `moved` is W' - W.
RoundingReport report_rounding(const OwnTypeWeight& weight, const std::vector<std::byte>& bytes,
                               const at::Tensor& moved);

}  // namespace emend
