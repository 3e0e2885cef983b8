// The random examples of a cell without a look at each token: what a token drew for a cell is the number of
// the token xor that of the cell (scan_draw.h), so the smallest draws stand together among the tokens that
// are sorted by their numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "memories/scan_draw.h"

namespace emend {

class NearestDraws {
 public:
  // Numbers of tokens (ScanDraw::of_token), each with the token's index.
  explicit NearestDraws(std::vector<std::pair<std::uint32_t, std::uint32_t>> drawn);

  // Indices of tokens of the portion: all whose score for the cell is at least `threshold` and among the best
  // `count`; and some more.
  std::pair<const std::uint32_t*, const std::uint32_t*> find(std::uint32_t cell_draw, std::size_t count,
                                                             float threshold) const;

 private:
  std::vector<std::uint32_t> drawn_, index_;  // ascending by the number; the token of each
  int first_bits_;                            // so many low bits leave about a token
};

}  // namespace emend
