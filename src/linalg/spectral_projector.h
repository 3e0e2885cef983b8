// The projector onto the small eigenvalues of a second moment by the sign of a matrix, without eigenvalues:
//
//   P = (I - sign(C - tau I)) / 2
//
// C is positive semidefinite and tau > 0. So X_0 = (C + tau I)^-1 (C - tau I) = I - 2 tau (C + tau I)^-1 has
// that sign and the eigenvalues x = (c - tau) / (c + tau), which are near -1 or 1 wherever c is decades away
// from tau, however large the largest c. From there on dynamically weighted Halley steps (QDWH; Nakatsukasa,
// Bai and Gygi 2010, Optimizing Halley's Iteration for Computing the Matrix Polar Decomposition; Nakatsukasa
// and Higham 2013, Stable and Efficient Spectral Divide and Conquer Algorithms) in their form with a
// Cholesky factor:
//
//   X_k+1 = X_k (a I + b X_k^2) (I + c X_k^2)^-1 = (b / c) X_k + (a - b / c) X_k (I + c X_k^2)^-1
//
// a, b and c follow from l, the smallest |x| of X_k. Products and Cholesky factors alone are what a GPU does
// fastest; eigenvectors need a reduction to three diagonals, half of which waits for memory.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

namespace emend {

struct SpectralProjector {
  at::Tensor P;           // [F, F] float64, symmetric, P^2 = P
  std::int64_t rank = 0;  // eigenvalues of C below the threshold
  double energy = 0;      // tr(P C P) / tr(C)
};

// Where this is sooner there than the eigenvectors of a C of n elements a side (docs/benchmarks.md).
bool is_projected_sooner(std::int64_t n, const at::Device& device);

// P of C [F, F] (float64 or float32, positive semidefinite up to rounding) for the eigenvalues below
// `threshold` > 0, on `device`. About 16 F^3 operations, and 40 F^2 bytes while it works.
//
// std::nullopt where the eigenvectors have to decide: some eigenvalue is nearer to the threshold than about
// 1e-10 of it, C is not finite, C + threshold I has no Cholesky factor, or there is no room on the device.
// P differs from the sum of the outer products of the eigenvectors by rounding alone: about 1e-16 |C| over
// the distance of the nearest eigenvalue from the threshold, by which both are uncertain.
std::optional<SpectralProjector> projector_below(const at::Tensor& C, double threshold,
                                                 const at::Device& device);

}  // namespace emend
