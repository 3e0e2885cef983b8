// float32 into stored elements: the write functions of the table in element_types.cpp. Values must be finite.
//
// F16 and BF16 round to nearest even. Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0 bit for bit as ggml's reference
// (ggml-quants.c, quantize_row_*_ref): the scale is stored as a half, the quants are taken with the unrounded
// one. The others: block_format.h.
#pragma once

#include <cstddef>

namespace emend {

void write_f32(const float* from, std::byte* to, std::size_t blocks);
void write_f64(const float* from, std::byte* to, std::size_t blocks);
void write_f16(const float* from, std::byte* to, std::size_t blocks);
void write_bf16(const float* from, std::byte* to, std::size_t blocks);
void write_q4_0(const float* from, std::byte* to, std::size_t blocks);
void write_q4_1(const float* from, std::byte* to, std::size_t blocks);
void write_q5_0(const float* from, std::byte* to, std::size_t blocks);
void write_q5_1(const float* from, std::byte* to, std::size_t blocks);
void write_q8_0(const float* from, std::byte* to, std::size_t blocks);

}  // namespace emend
