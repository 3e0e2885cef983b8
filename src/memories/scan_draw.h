// Examples drawn at random, without a draw for each coefficient: a token's number and a cell's number make
// the number that the token drew for the cell, and the smallest ones are the sample. Each number depends on
// (seed, layer, address) or (seed, layer, cell) alone, so neither order nor shards move a draw.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "base/random.h"

namespace emend {

class ScanDraw {
 public:
  // Histograms, and the examples drawn by octave, are of 1 of 2^sample_bits tokens.
  ScanDraw(std::uint64_t seed, int layer, int sample_bits = 0)
      : tokens_(seed, kTokenStream + static_cast<std::uint64_t>(layer)),
        cells_(seed, kCellStream + static_cast<std::uint64_t>(layer)),
        left_out_((1U << sample_bits) - 1) {}

  // So few tokens that histograms of all cells cost little, and still 32,768 or more: a share q of them is
  // known to within sqrt(q (1 - q) / 32768), 0.0002 at 0.999.
  static int sample_bits(std::int64_t tokens) {
    constexpr std::int64_t kSample = 32768;
    return std::clamp(static_cast<int>(std::bit_width(static_cast<std::uint64_t>(tokens / kSample))) - 1, 0,
                      kUnusedBits);
  }

  std::uint32_t of_token(std::uint64_t address) const {
    return static_cast<std::uint32_t>(tokens_.bits(address));
  }
  std::uint32_t of_cell(std::int64_t cell) const {
    return static_cast<std::uint32_t>(cells_.bits(static_cast<std::uint64_t>(cell)));
  }
  // Is a token in the sample? Decided by bits of its number that no score has.
  bool in_sample(std::uint32_t token) const { return (token & left_out_) == 0; }
  // As a score: the smallest number is the highest. 24 bits, which a float holds exactly.
  static float score(std::uint32_t token, std::uint32_t cell) {
    return -static_cast<float>(static_cast<std::int32_t>((token ^ cell) >> kUnusedBits));
  }

  static constexpr int kUnusedBits = 8;

 private:
  static constexpr std::uint64_t kTokenStream = std::uint64_t{0x7363616E} << 32;  // "scan"
  static constexpr std::uint64_t kCellStream = kTokenStream + (std::uint64_t{1} << 24);
  Random tokens_, cells_;
  std::uint32_t left_out_;
};

}  // namespace emend
