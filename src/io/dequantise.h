// Stored elements into float32, bit for bit as ggml's dequantize_row_*: the read functions of the table in
// element_types.cpp, which states what each needs.
//
// Every product of scales and a quant fits in the 24 bits of a float's significand, so only the addition of
// a minimum rounds: the results depend on neither vector width nor order. F16 and BF16 widen exactly; F64 is
// rounded to nearest even.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace emend {

// dequantise.cpp: one by one, and blocks of 32
void read_f32(const std::byte* from, float* to, std::size_t blocks);
void read_f16(const std::byte* from, float* to, std::size_t blocks);
void read_bf16(const std::byte* from, float* to, std::size_t blocks);
void read_f64(const std::byte* from, float* to, std::size_t blocks);
void read_q4_0(const std::byte* from, float* to, std::size_t blocks);
void read_q4_1(const std::byte* from, float* to, std::size_t blocks);
void read_q5_0(const std::byte* from, float* to, std::size_t blocks);
void read_q5_1(const std::byte* from, float* to, std::size_t blocks);
void read_q8_0(const std::byte* from, float* to, std::size_t blocks);

// dequantise_k.cpp: blocks of 256, whose groups of 16 or 32 have scales of 4 to 8 bits
void read_q2_k(const std::byte* from, float* to, std::size_t blocks);
void read_q3_k(const std::byte* from, float* to, std::size_t blocks);
void read_q4_k(const std::byte* from, float* to, std::size_t blocks);
void read_q5_k(const std::byte* from, float* to, std::size_t blocks);
void read_q6_k(const std::byte* from, float* to, std::size_t blocks);

// dequantise_levels.cpp: quants that name one of a few fixed levels
void read_iq4_nl(const std::byte* from, float* to, std::size_t blocks);
void read_iq4_xs(const std::byte* from, float* to, std::size_t blocks);
void read_mxfp4(const std::byte* from, float* to, std::size_t blocks);
void read_tq1_0(const std::byte* from, float* to, std::size_t blocks);
void read_tq2_0(const std::byte* from, float* to, std::size_t blocks);

// The levels of IQ4_NL and IQ4_XS.
inline constexpr std::int8_t kIq4Levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                               1,    13,   25,  38,  53,  69,  89,  113};
// Those of MXFP4 (e2m1), doubled.
inline constexpr std::int8_t kMxfp4Levels[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// The scale of MXFP4: half of 2^(e - 127), since its levels are doubled. Below e = 2 it is subnormal as a
// float.
inline float half_power(std::uint8_t e) {
  return std::bit_cast<float>(e < 2 ? 0x00200000u << e : (std::uint32_t{e} - 1) << 23);
}

// A number at any alignment.
template <typename Number>
Number load(const std::byte* from) {
  Number number;
  std::memcpy(&number, from, sizeof number);
  return number;
}

}  // namespace emend
