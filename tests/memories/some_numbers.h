// Invented coefficients of invented rows of text, for sweeps.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <vector>

#include "memories/portion_sweep.h"

namespace emend::test {

// Rows of random length over random numbers; a quarter of the coefficients are ties.
struct Numbers {
  at::Tensor key, gate, up;
  std::vector<TextToken> tokens;
};

inline Numbers some_numbers(std::int64_t cells, bool gated, int rows = 30) {
  Numbers all;
  for (int row = 0; row < rows; ++row)
    for (int j = 0; j < 3 + row % 7; ++j) {
      const auto address = static_cast<std::uint64_t>(all.tokens.size());
      all.tokens.push_back(
          {static_cast<std::uint64_t>(row / 2), row % 2, j, (row % 5) * 10 + j, TextToken::kNone, address});
    }
  const auto n = static_cast<std::int64_t>(all.tokens.size());
  at::manual_seed(4);
  all.gate = at::randn({n, cells});
  all.up = at::randn({n, cells});
  all.key = gated ? at::silu(all.gate) * all.up : at::gelu(all.gate);
  all.key = at::where(at::rand({n, cells}) < 0.25, (all.key * 2).round() / 2, all.key).contiguous();
  return all;
}

inline StateShape shape_for(std::int64_t cells, bool gated, Dedup dedup) {
  StateShape shape;
  shape.cells = cells;
  shape.gated = gated;
  shape.top = 6;
  shape.random = 4;
  shape.dedup = dedup;
  return shape;
}

inline PortionScores portion_of(const Numbers& all, bool gated, std::size_t begin, std::size_t end) {
  const auto from = static_cast<std::int64_t>(begin), count = static_cast<std::int64_t>(end - begin);
  return {all.key.narrow(0, from, count), gated ? all.gate.narrow(0, from, count) : at::Tensor(),
          gated ? all.up.narrow(0, from, count) : at::Tensor(),
          std::span(all.tokens).subspan(begin, end - begin)};
}

// Whole rows, about `size` tokens a portion.
inline std::vector<std::pair<std::size_t, std::size_t>> cut_portions(const Numbers& all, std::size_t size) {
  std::vector<std::pair<std::size_t, std::size_t>> portions;
  for (std::size_t begin = 0; begin < all.tokens.size();) {
    std::size_t end = std::min(begin + size, all.tokens.size());
    while (end < all.tokens.size() && all.tokens[end].position != 0) ++end;
    portions.emplace_back(begin, end);
    begin = end;
  }
  return portions;
}

}  // namespace emend::test
