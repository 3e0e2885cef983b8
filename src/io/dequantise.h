// Stored elements into float32, bit for bit as ggml's dequantize_row_*.
//
// Every product of a scale and a quant fits in the 24 bits of a float's significand, so only the addition of
// a minimum rounds: the results depend on neither vector width nor order. F16 and BF16 widen exactly (a
// signalling NaN of F16 comes out quiet, as from the hardware); F64 is rounded to nearest even.
#pragma once

#include <cstddef>
#include <cstdint>

#include "emend/tensor_file.h"

namespace emend {

// The value of the IEEE half with these bits.
float half_to_float(std::uint16_t bits);

// The unit in which a stored type can be cut: `elements` values in `bytes` bytes. {0, 0} for kOpaque.
struct BlockSize {
  std::size_t elements;
  std::size_t bytes;
};
BlockSize block_size(DType dtype);

// `blocks` blocks from `from` (any alignment) to `to`. `dtype` must not be kOpaque; `from` and `to` must not
// overlap.
void dequantise(DType dtype, const std::byte* from, float* to, std::size_t blocks);

}  // namespace emend
