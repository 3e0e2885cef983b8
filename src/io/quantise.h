// float32 into stored elements: the way back from dequantise.h.
//
// Q4_0, Q4_1 and Q8_0 bit for bit as ggml's reference (ggml-quants.c, quantize_row_*_ref): the scale is
// stored as a half, the quants are taken with the unrounded one. F16 and BF16 round to nearest even.
#pragma once

#include <cstddef>
#include <cstdint>

#include "emend/tensor_file.h"

namespace emend {

// The IEEE half nearest to `value`, ties to even. From 65520 on: infinity. NaN stays NaN, quiet.
std::uint16_t float_to_half(float value);

// The bfloat16 nearest to `value`, ties to even. NaN stays NaN, quiet.
std::uint16_t float_to_bfloat16(float value);

// `blocks` blocks (dequantise.h, block_size) from `from` to `to` (any alignment). `dtype` must not be
// kOpaque; values must be finite.
void quantise(DType dtype, const float* from, std::byte* to, std::size_t blocks);

}  // namespace emend
