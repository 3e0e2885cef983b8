// The second stage of a bulk edit: what the update of one layer leaves alone, and the responses that follow.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "editors/bulk/options.h"
#include "emend/edit.h"
#include "emend/editor.h"
#include "linalg/key_constraints.h"
#include "linalg/response_solver.h"

namespace emend::editors {

class Preserve {
 public:
  // Factors C of the layer, or takes the factor from the cache. Throws Error: kConfig (beginning with the
  // method's name) if the statistics of the layer are missing, kNumeric if C is not positive definite, or if
  // the null space holds no or all directions; the message then names the eigenvalues around the threshold.
  Preserve(const Model& model, const EditorContext& context, int layer, const BulkOptions& options,
           const std::string& method);

  // A^T [F, q] float64: one response for each column of joint.Y.
  at::Tensor responses(const JointConstraints& joint) const;
  // How responses to q facts are solved.
  WeightSolve record(std::int64_t q) const;
  // tr(P C P) / tr(C) of the null space; std::nullopt without one.
  std::optional<double> kept_energy() const;

 private:
  bool is_exact(std::int64_t q) const { return exact_alone_ && q == 1; }

  WeightSolve solve_;
  bool exact_alone_;
  KeyMetric metric_;
  std::optional<NullSpace> space_;
};

}  // namespace emend::editors
