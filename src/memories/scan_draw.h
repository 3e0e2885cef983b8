// Examples drawn at random, without a draw for each coefficient: a token's number and a cell's number make
// the number that the token drew for the cell, and the smallest ones are the sample. Each number depends on
// (seed, layer, address) or (seed, layer, cell) alone, so neither order nor shards move a draw.
#pragma once

#include <cstdint>

#include "base/random.h"

namespace emend {

class ScanDraw {
 public:
  ScanDraw(std::uint64_t seed, int layer)
      : tokens_(seed, kTokenStream + static_cast<std::uint64_t>(layer)),
        cells_(seed, kCellStream + static_cast<std::uint64_t>(layer)) {}

  std::uint32_t of_token(std::uint64_t address) const {
    return static_cast<std::uint32_t>(tokens_.bits(address));
  }
  std::uint32_t of_cell(std::int64_t cell) const {
    return static_cast<std::uint32_t>(cells_.bits(static_cast<std::uint64_t>(cell)));
  }
  // As a score: the smallest number is the highest. 24 bits, which a float holds exactly.
  static float score(std::uint32_t token, std::uint32_t cell) {
    return -static_cast<float>(static_cast<std::int32_t>((token ^ cell) >> 8));
  }

 private:
  static constexpr std::uint64_t kTokenStream = std::uint64_t{0x7363616E} << 32;  // "scan"
  static constexpr std::uint64_t kCellStream = kTokenStream + (std::uint64_t{1} << 24);
  Random tokens_, cells_;
};

}  // namespace emend
