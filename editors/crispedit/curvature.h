// The curvature of the loss over text in the weight of one layer, by Kronecker factors (K-FAC, Martens and
// Grosse 2015), and the projection onto the directions in which it is small (Ikram et al. 2026).
//
//   curvature in W [D, F]:   H = C (x) G,   C = E[k k^T] [F, F],   G = E[g g^T] [D, D]
//   g(x) = d(sum over the text of -log p(next token)) / d(W k(x) + b)
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "emend/generate.h"
#include "emend/model.h"
#include "linalg/response_solver.h"

namespace emend::editors {

// G of the layer over these rows of ids, each with its first token: [D, D] float64 on the CPU. Like C,
// without the tokens at position 0; without the last ones as well, which no loss depends on. `most_tokens`:
// of a pass. Throws Error(kConfig) if the rows have no such token.
at::Tensor gradient_moment(const Model& model, int layer, const std::vector<TokenIds>& rows,
                           std::int64_t most_tokens);

// X -> U_G ((U_G^T X U_C) o M) U_C^T with the eigenvectors of G and C; M_ij is 1 where the product of the
// eigenvalues i of G and j of C is smaller than `threshold`, and 0 elsewhere. The products from there on, the
// fewest of the largest ones, hold at least the share `energy` of the sum of all.
class LowCurvature {
 public:
  // Throws Error(kConfig) if no direction is left, or only such as differ from none by rounding. The
  // projector lies on the device of `like`, in its type.
  LowCurvature(const Spectrum& of_C, const Spectrum& of_G, double energy, const at::TensorOptions& like);

  at::Tensor project(const at::Tensor& X) const;  // [D, F]

  double threshold() const { return threshold_; }
  std::int64_t kept() const { return kept_; }              // directions that may change
  std::int64_t directions() const { return directions_; }  // D F

 private:
  double threshold_ = 0;
  std::int64_t kept_ = 0, directions_ = 0;
  at::Tensor left_, right_, mask_;  // U_G [D, D], U_C [F, F], M [D, F]
};

}  // namespace emend::editors
