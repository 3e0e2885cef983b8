// The grids of quantised types: what a block can hold once its scales are chosen, how good scales are found,
// and how scales and codes become the stored bytes.
//
// Element i of a block has a code, and means scale * level(code) - minimum with the scale and minimum of its
// group. So a tensor can be rounded in three steps: `choose` (or `unpack`, to keep the scales of a stored
// block), `round` element by element in any order, `pack`. What `value` says is what the type's reader gives,
// bit for bit.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "emend/tensor_file.h"

namespace emend {

constexpr std::size_t kMostBlockElements = 256;
constexpr std::size_t kMostBlockGroups = 16;

// The scales of one block, as stored and as they act.
struct BlockScales {
  std::array<float, kMostBlockGroups> scale{}, minimum{};  // by group
  std::uint16_t d = 0, dmin = 0;                           // halves; MXFP4: d is the exponent byte
  std::array<std::int16_t, kMostBlockGroups> scale_code{},
      minimum_code{};  // what d and dmin are multiplied by
};

using BlockCodes = std::array<std::uint8_t, kMostBlockElements>;  // element by element, from 0

// How the scales of the groups are stored.
enum class GroupScales {
  kHalf,         // one group: its scale is d
  kHalfAndHalf,  // one group: its scale is d, its minimum -dmin
  kCodes,        // d times a code for each group
  kTwoCodes,     // the same, and dmin times a second code as the minimum
  kPower,        // one group: a power of two
};

struct BlockFormat {
  std::uint32_t elements;
  std::uint32_t groups;
  std::uint32_t code_count;
  int lowest;                 // level of code 0; that of code c is lowest + c ...
  const std::int8_t* levels;  // ... unless these are listed
  GroupScales group_scales;
  int least_code, most_code;  // of scale_code, and of minimum_code where there is one
  void (*pack)(const BlockScales& scales, const BlockCodes& codes, std::byte* to);
  void (*unpack_block)(const std::byte* from, BlockScales& scales, BlockCodes& codes);

  bool has_minimum() const {
    return group_scales == GroupScales::kHalfAndHalf || group_scales == GroupScales::kTwoCodes;
  }
  std::size_t group_elements() const { return elements / groups; }
  float level(std::uint8_t code) const {
    return static_cast<float>(levels != nullptr ? levels[code] : lowest + code);
  }

  // The value of element i with this code.
  float value(const BlockScales& scales, std::size_t i, std::uint8_t code) const;
  // The code whose value is nearest to `wanted` at element i. Never fails; beyond the range it is the end.
  std::uint8_t round(const BlockScales& scales, std::size_t i, float wanted) const;

  // Scales that make the sum of weights[i] (values[i] - rounded[i])^2 small; `values` and `weights` have
  // `elements` floats, finite, weights not negative; nullptr: all 1. Values that recover_scales knows to lie
  // on a grid of this type keep their exact values. d and dmin beyond the largest half stay at it. Not for
  // kPower.
  BlockScales choose(const float* values, const float* weights = nullptr) const;

  void unpack(const std::byte* from, BlockScales& scales, BlockCodes& codes) const;

  // Fills scale and minimum from what is stored.
  void apply_codes(BlockScales& scales) const;
};

// Mean over `blocks`, whole blocks of the type, of the squared distance between neighbouring values of a
// group.
double mean_square_step(const BlockFormat& format, std::size_t block_bytes,
                        std::span<const std::byte> blocks);

// Scales whose grid holds all `values`, compared bit for bit; std::nullopt if none were found. For blocks of
// Q2_K to Q6_K and IQ4_NL they are found, but for rare ones: a group of only two distinct values, which fits
// many scales, or dmin t so much larger than d s that the reader's subtraction rounds. Not looked for in
// IQ4_XS, MXFP4, Q4_1 and Q5_1.
std::optional<BlockScales> recover_scales(const BlockFormat& format, const float* values);

extern const BlockFormat kQ4_0Format, kQ4_1Format, kQ5_0Format, kQ5_1Format, kQ8_0Format;
extern const BlockFormat kQ2_KFormat, kQ3_KFormat, kQ4_KFormat, kQ5_KFormat, kQ6_KFormat;
extern const BlockFormat kIq4NlFormat, kIq4XsFormat, kMxfp4Format, kTq1_0Format, kTq2_0Format;

// choose, round, pack for block after block: the write functions of the types without a simple reference.
void write_q2_k(const float* from, std::byte* to, std::size_t blocks);
void write_q3_k(const float* from, std::byte* to, std::size_t blocks);
void write_q4_k(const float* from, std::byte* to, std::size_t blocks);
void write_q5_k(const float* from, std::byte* to, std::size_t blocks);
void write_q6_k(const float* from, std::byte* to, std::size_t blocks);
void write_iq4_nl(const float* from, std::byte* to, std::size_t blocks);
void write_iq4_xs(const float* from, std::byte* to, std::size_t blocks);

}  // namespace emend
