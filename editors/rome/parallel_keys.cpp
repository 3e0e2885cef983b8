#include "editors/rome/parallel_keys.h"

#include <cmath>

namespace emend::editors {

namespace {

void take(ParallelKeys& found, const KeyPair& pair) {
  if (!found.closest || std::abs(pair.cosine) > std::abs(found.closest->cosine)) found.closest = pair;
  if (!(pair.cosine > ParallelKeys::kNear)) return;
  if (found.near.size() < ParallelKeys::kMost)
    found.near.push_back(pair);
  else
    ++found.untold;
}

}  // namespace

ParallelKeys find_parallel_keys(const KeyMetric& metric, const at::Tensor& K, std::int64_t rows) {
  ParallelKeys found;
  each_cosine_strip(metric, K, rows, [&](std::int64_t first, const at::Tensor& cosines) {
    const auto* const values = cosines.const_data_ptr<double>();
    const auto begin = static_cast<std::size_t>(first), width = static_cast<std::size_t>(cosines.size(1));
    for (std::size_t i = 0; i < static_cast<std::size_t>(cosines.size(0)); ++i)
      for (std::size_t j = i + 1; j < width; ++j) take(found, {begin + i, begin + j, values[i * width + j]});
  });
  return found;
}

}  // namespace emend::editors
