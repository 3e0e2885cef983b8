// An edit as a value: low-rank changes of down projections, with all that is needed to check, undo and re-solve it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "emend/model.h"
#include "emend/records.h"

namespace emend {

// W += B A for the down projection of one block, in the math orientation [D, F]. float32, CPU.
struct WeightChange {
  int block = 0;
  at::Tensor A;  // [n, F]: row i answers 1 on its edit's keys and 0 on protected ones
  at::Tensor B;  // [D, n]: residuals
};

// What one request contributed.
struct EditedFact {
  EditRequest request;
  int layer = 0;
  std::string status;      // "edited", "already true", "failed"
  std::string reason;      // for "failed"
  at::Tensor keys;         // [K, F] float32: columns of the constraint, one a row
  at::Tensor answers;      // [K] float32: y, the share of the residual wanted at each key
  at::Tensor residual;     // [D] float32
  int steps = 0;           // loss evaluations whose gradient was used
  double loss = 0;         // of the best iterate
  double update_norm = 0;  // Frobenius norm of this fact's part of the change
  double relative_norm = 0;  // update_norm / Frobenius norm of the weight
};

struct Edit {
  std::string method;
  std::string objective;
  std::map<std::string, std::string> options;  // as used, defaults included
  std::string base_fingerprint;
  std::string statistics_fingerprint;          // empty when no statistics were used (C = I)
  std::vector<std::vector<std::int64_t>> context_ids;  // sampled context rows, without BOS
  std::vector<WeightChange> changes;
  std::vector<EditedFact> facts;
  std::vector<std::string> warnings;
};

// Lays changes on a model for its lifetime: W += B A in float32, rounded once to the model's dtype. The destructor puts the
// very bytes back. Scopes nest; end them in reverse order. Throws Error(kModel) when a change does not fit the model.
class ScopedEdit {
 public:
  ScopedEdit(Model& model, const std::vector<WeightChange>& changes);
  ~ScopedEdit();
  ScopedEdit(const ScopedEdit&) = delete;
  ScopedEdit& operator=(const ScopedEdit&) = delete;

 private:
  Model& model_;
  std::vector<std::pair<int, at::Tensor>> saved_;
};

}  // namespace emend
