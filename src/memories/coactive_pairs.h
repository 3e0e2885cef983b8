// What counts of pairs say: correlations, and groups by average linkage.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace emend {

// [K, K] float32 of counts [K, K] over `tokens` tokens (CoactivePair::phi); 0 where a cell is active at no
// token or at all of them, and on the diagonal.
at::Tensor phi_of(const at::Tensor& counts, std::int64_t tokens);

// The phi that the largest of `pairs` pairs of independent cells passes with a probability of `share` at
// most: phi sqrt(N) is standard normal for large N, and the union bound takes the pairs together.
double phi_of_chance(std::int64_t tokens, std::int64_t pairs, double share);

// Average linkage of the cells of a similarity matrix [K, K] float32, which is used up: groups of two or more
// whose mean similarity was `threshold` or more when they were joined, each ascending; the largest first,
// then by the first cell. By chains of nearest neighbours (Murtagh 1983), K^2 steps in all; what the merging
// of the best two first would give, ties aside.
std::vector<std::vector<std::int64_t>> average_linkage(at::Tensor similarity, double threshold);

}  // namespace emend
