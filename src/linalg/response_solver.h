// Responses to keys in closed form. The response a [F] of an edit says which share a^T k of the edit's
// residual a token with key k receives. It should answer y at the keys K of the edit and be quiet on other
// text, which means a small a^T C a: C = E[k k^T] is the second moment of the layer's keys. The responses A^T
// [F, q] and residuals R [D, q] of q edits make the change of the weight, Delta = R A. There are three rules:
//
//   equality       A^T = C^-1 K (K^T C^-1 K)^-1 Y                                   so that K^T A^T = Y
//   least squares  A^T = C^-1 K (lambda I + K^T C^-1 K)^-1 Y = (lambda C + K K^T)^-1 K Y
//   null space     A^T = U (L I + k k^T)^-1 k Y,   k = U^T K
//
// K [F, n] holds the keys of all edits and those that must not move, Y [n, q] what edit q answers at each,
// which may be a sparse tensor.
// Equality with one key and y = 1 is ROME (Meng et al. 2022, Locating and Editing Factual Associations in
// GPT, equation 2), with several EMMET (Gupta et al. 2024, A Unified Framework for Model Editing); least
// squares with Y = I is MEMIT (Meng et al. 2023, Mass-Editing Memory in a Transformer, equation 14); the null
// space is AlphaEdit (Fang et al. 2025), whose Delta = R K^T P (Kp Kp^T P + K K^T P + L I)^-1 with P = U U^T
// is solved here in the basis U, where it is symmetric; the keys Kp of earlier edits are columns of K with 0
// in Y. All in float64, by Cholesky factors, never by an inverse.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "linalg/known_solutions.h"
#include "linalg/spd_factor.h"

namespace emend {

// What responses are quiet under: C + ridge I, or the identity (the C = I of other tools).
class KeyMetric {
 public:
  KeyMetric() = default;  // the identity
  // `factor` is that of C [F, F], or of the diagonal [F] of a C of which no more is known. Systems of least
  // squares are solved on `device`, wherever their keys lie.
  KeyMetric(std::shared_ptr<const SpdFactor> factor, at::Tensor C, const at::Device& device = at::kCPU)
      : factor_(std::move(factor)), C_(std::move(C)), device_(device) {}

  // Solves these keys, [F] float64 each, in one go, as many of them as are kept, and keeps from then on what
  // is solved: for those who ask for many keys, a few at a time.
  void learn(const std::vector<at::Tensor>& keys);

  // (C + ridge I)^-1 K for K [F, n] float64.
  at::Tensor solve(const at::Tensor& K) const {
    if (!factor_) return K;
    if (!known_) return factor_->solve(K);
    return known_->get(K, [&](const at::Tensor& columns) { return factor_->solve(columns); });
  }
  double condition() const { return factor_ ? factor_->info().condition : 1; }
  // How C was solved with: nullptr for the identity.
  const SpdInfo* info() const { return factor_ ? &factor_->info() : nullptr; }
  // C without its ridge, [F, F] or its diagonal [F], float64 or float32; undefined for the identity.
  const at::Tensor& moment() const { return C_; }
  const at::Device& device() const { return device_; }

 private:
  std::shared_ptr<const SpdFactor> factor_;
  std::shared_ptr<KnownSolutions> known_;  // by this factor, shared by copies; nullptr: none are kept
  at::Tensor C_;
  at::Device device_ = at::kCPU;
};

// --- equality

// a [F] float64 = C^-1 K (K^T C^-1 K)^-1 y: the smallest a^T C a with K^T a = y. K [F, n] float64, y [n].
// Several right sides at once: y [n, q] gives [F, q]. Throws Error(kNumeric) if the keys are linearly
// dependent.
// `slack` [n], if defined, lets the answers be missed where it is above 0: a = C^-1 K (S + K^T C^-1 K)^-1 y
// with S = diag(slack_i k_i^T C^-1 k_i), the smallest a^T C a + sum_i (a^T k_i - y_i)^2 / S_i, exact where
// S_i = 0.
at::Tensor key_response(const KeyMetric& metric, const at::Tensor& K, const at::Tensor& y,
                        const at::Tensor& slack = {});

// sqrt(a^T C a) of each column a of A [F, q], C without its ridge: the root mean square of the share a^T k
// that keys of the text of C receive. [q] float64; undefined for the identity, which knows of no text.
at::Tensor shares_of_text(const KeyMetric& metric, const at::Tensor& A);

// Cosines of the columns of K under C^-1: [n, n], unit diagonal.
at::Tensor key_cosines(const KeyMetric& metric, const at::Tensor& K);

// The same in strips of at most `rows` rows, without the whole matrix: visit(first, cosines) gets those of
// the columns `first` and following with all columns from `first` on, [rows, n - first] on the CPU.
void each_cosine_strip(const KeyMetric& metric, const at::Tensor& K, std::int64_t rows,
                       const std::function<void(std::int64_t, const at::Tensor&)>& visit);

// Keys whose cosines have a larger condition can hardly be told apart: their residuals would be written with
// errors that show.
inline constexpr double kWorstGramCondition = 1e8;

// Ratio of largest to smallest eigenvalue of a symmetric matrix [n, n] float64; infinite if the smallest is
// not positive.
double gram_condition(const at::Tensor& gram);

// --- least squares

// Which system is factored: that of the keys [n, n] or that of their elements [F, F]. kBySize takes the one
// that needs fewer operations when the factor of C is at hand.
enum class SolveSide { kBySize, kKeys, kElements };

// What kBySize takes with n keys of F elements: true is kElements.
bool elements_are_cheaper(std::int64_t n, std::int64_t F);

// a = (lambda C + K K^T)^-1 K y: the smallest lambda a^T C a + |K^T a - y|^2. Shapes as for key_response;
// lambda > 0. It tends to the equality solution as lambda tends to 0. For q right sides about 2 F^2 n + 2 F
// n^2 + n^3 / 3 + 2 (F + n) n q operations for kKeys, F^2 n + F^3 / 3 + 2 F^2 q for kElements, on the
// metric's device, or on the CPU where that has no room for them. Throws Error(kNumeric) if rounding leaves
// the system without a factor.
at::Tensor least_squares_response(const KeyMetric& metric, const at::Tensor& K, const at::Tensor& y,
                                  double lambda, SolveSide side = SolveSide::kBySize);

// --- null space

// C = V diag(values) V^T, for null spaces of several thresholds.
struct Spectrum {
  at::Tensor values;   // [F] float64, ascending, on the CPU
  at::Tensor vectors;  // [F, F] float64, one a column, on any device
};

// About 10 F^3 operations on `device`, where the vectors lie; on the CPU if there is no room for them. Throws
// Error(kNumeric), naming `what`, if C [F, F] float64 is not finite.
Spectrum spectrum_of(const at::Tensor& C, const at::Device& device, const std::string& what);

// The threshold below which `share` (0 to 1) of the eigenvalues lie: half way between two of them.
double threshold_for(const Spectrum& spectrum, double share);

// The directions in which C is small: by a basis, or by its projector where no eigenvectors were computed.
struct NullSpace {
  at::Tensor basis;        // U [F, r] float64: the eigenvectors of C that are kept
  double kept_energy = 0;  // tr(P C P) / tr(C), P = U U^T: 0 for a true null space, 1 when all is kept
  at::Tensor projector;    // P [F, F] float64, if U is undefined
};

// Keeps the eigenvectors of C [F, F] float64 (of diag(C), given [F]) whose eigenvalue is smaller than
// `threshold` (absolute). About 10 F^3 operations. Throws Error(kNumeric), naming `what`, if C is not finite
// or no eigenvalue is that small.
NullSpace null_space_of(const at::Tensor& C, double threshold, const std::string& what);
NullSpace null_space_of(const Spectrum& spectrum, double threshold, const std::string& what);

// a = U (L I + k k^T)^-1 k y with k = U^T K: least squares within the null space, so that a^T x = 0 for every
// x outside of it. With the projector alone the same as P (L I + k k^T)^-1 k y, k = P K. Shapes as for
// key_response; L > 0.
at::Tensor null_space_response(const NullSpace& space, const at::Tensor& K, const at::Tensor& y, double L,
                               SolveSide side = SolveSide::kBySize);

// Frobenius norm of a tensor, and of the change r a^T.
double norm_of(const at::Tensor& tensor);
double rank_one_norm(const at::Tensor& r, const at::Tensor& a);

}  // namespace emend
