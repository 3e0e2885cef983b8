// One draw from a row of logits, addressed by (seed, stream, index): no hidden generator.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace emend {

struct DrawOptions {
  double temperature = 1;  // 0: the likeliest (lowest id on ties)
  std::int64_t top_k = 0;  // 0: all
  std::uint64_t seed = 0;
};

// logits [n, V] float32; row i draws number `index[i]` of stream `streams[i]`. Inverse of the cumulative
// distribution in float64, in order of ids, so the draw depends on the row only.
std::vector<std::int64_t> draw_tokens(const at::Tensor& logits, const std::vector<std::uint64_t>& streams,
                                      const std::vector<std::uint64_t>& index, const DrawOptions& options);

}  // namespace emend
