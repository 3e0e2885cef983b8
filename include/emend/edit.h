// An edit as a value: which weights it changes and by what, how each of them was solved, and the result for
// each fact. It holds all that is needed to check the edit, to take it off, and to solve it again without one
// of its facts.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "emend/error.h"
#include "emend/fact_state.h"
#include "emend/model.h"
#include "emend/records.h"

namespace emend {

// W += B A, or W += D, for one weight W [out, in]. float32 on the CPU. Either A and B or D are defined.
struct WeightChange {
  WeightRef weight;
  at::Tensor A;  // [n, in]: row i answers 1 on the keys of its edit and 0 on protected ones
  at::Tensor B;  // [out, n]: residuals
  at::Tensor D;  // [out, in]; for changes of so many facts that two factors would be larger than D

  static WeightChange low_rank(const WeightRef& weight, at::Tensor A, at::Tensor B) {
    return {weight, std::move(A), std::move(B), {}};
  }
  static WeightChange dense(const WeightRef& weight, at::Tensor D) { return {weight, {}, {}, std::move(D)}; }
  bool is_dense() const { return D.defined(); }

  std::int64_t outputs() const { return is_dense() ? D.size(0) : B.size(0); }
  std::int64_t inputs() const { return is_dense() ? D.size(1) : A.size(1); }
  // The two factors of any change: {A, B}, or {D, I} [out, in] and [out, out].
  std::pair<at::Tensor, at::Tensor> factors() const;
  // The whole change [out, in] in the dtype of `like` and on its device.
  at::Tensor delta(const at::TensorOptions& like) const;
};

// The one place that decides whether a change fits a model: throws Error(`kind`), whose message begins with
// `where` (may be empty), if the model does not have this weight or its shape is another one.
void require_fit(const WeightChange& change, const ModelConfig& config, const std::string& where = "",
                 ErrorKind kind = ErrorKind::kModel);

// How the responses of the facts (the rows of A) of one weight were solved. Whoever adds or drops a fact has
// to solve them in the same way.
enum class SolveRule {
  kEquality,      // all together, exact at their keys: A^T = C^-1 K (K^T C^-1 K)^-1 Y
  kEachAlone,     // each for its own key, without regard to the others (ROME as published)
  kLeastSquares,  // all together, regularised by the second moment: R K^T (lambda C + K K^T)^-1 (MEMIT)
  kNullSpace,     // the same within the null space of C (AlphaEdit)
  kTrained,       // not solved: all facts together were trained into a dense change, and stay together
};
// "equality", "each alone", "least squares", "null space", "trained"
std::string_view to_string(SolveRule rule);

struct WeightSolve {
  WeightRef weight;
  SolveRule rule = SolveRule::kEquality;
  std::string statistics_fingerprint;  // of C; empty: C = I
  double relative_ridge = 0;           // added to C's diagonal, in units of trace(C) / in
  double lambda = 0;                   // weight of C against the keys: kLeastSquares and kNullSpace
  // Of kNullSpace: the space was that of the eigenvectors of C whose eigenvalues are below this. 0: not
  // known; then the weight cannot be solved again.
  double null_space_threshold = 0;
  // From the factor that was used in the solve; std::nullopt if C = I, and in a patch that was read from a
  // file.
  std::optional<double> ridge;                 // what was added to C's diagonal
  std::optional<double> condition;             // of C + ridge I
  std::optional<double> condition_of_moments;  // of C; std::nullopt if C is singular up to the ridge
  // Number of keys that the protection of other subjects adds to the system (a key that several facts
  // share counts once), and the condition of the matrix of cosines between all keys of the system. 0: no
  // key is protected.
  std::int64_t protected_keys = 0;
  double key_condition = 0;
  // Above 0: one fact (or several of one key) is solved by equality, more of them by least squares with this
  // lambda (exact_alone of EMMET); `rule` and `lambda` are those of the facts that are there. 0: the rule
  // holds for any number.
  double lambda_of_several = 0;
};

enum class FactStatus { kEdited, kAlreadyTrue, kFailed };
std::string_view to_string(FactStatus status);  // "edited", "already true", "failed"

// A key of another subject at which the response of a fact is held: at 0, or at the most that it may get if
// the method lets it get a share. And what holding it at 0 costs the fact.
struct ProtectedKey {
  std::string subject;  // "Germany"; for a neighbour about something else: its prompt
  double cosine = 0;    // to the edit's own key (the largest, if it has several), under C^-1
  double response = 0;  // a^T k of the response without protection: the share of the residual it would get
  double norm = 1;      // ||a|| with this key alone protected, over ||a|| without protection
};

// What a fact contributes to one weight. The tensors are defined for facts that were edited or that failed.
struct FactPart {
  WeightRef weight;
  at::Tensor keys;     // [K, in] float32: the keys that its response is held to, one a row
  at::Tensor answers;  // [K] float32: the share of the residual wanted at each key
  // [K] float32: by how much an answer may be missed, as KeyConstraint::slack; undefined: all are exact.
  at::Tensor slack = {};
  std::vector<ProtectedKey> protected_keys = {};  // whose keys are among `keys`
  at::Tensor residual;                            // [out] float32
  std::vector<std::int64_t> rows;  // of A (columns of B) that carry it; facts of one key share a row
  double update_norm = 0;          // Frobenius norm of this part of the change
  double relative_norm = 0;        // update_norm / Frobenius norm of the weight
};

// One request and its result.
struct FactRecord {
  EditRequest request;
  FactStatus status = FactStatus::kEdited;
  std::string reason;           // of kFailed
  std::vector<FactPart> parts;  // one for each weight that the method writes, by block; never empty
  int steps = 0;                // loss evaluations, without the last one
  double loss = 0;              // of the best iterate
  std::optional<FactState> before, after;  // what the model said, once it was measured

  bool is_edited() const { return status == FactStatus::kEdited; }
  // The block of the first weight.
  int layer() const { return parts.empty() ? 0 : parts.front().weight.block; }
  const FactPart* part_at(const WeightRef& weight) const;  // nullptr if the fact does not write to it
  // Norms over all its weights: the root of the sum of squares.
  double update_norm() const;
  double relative_norm() const;
};

// The model that the losses of an edit are computed on: the model as it will be written, or the unedited
// model with the residual injected at the lookup token (Meng et al. 2022, equation 4). kNone: the method
// searches nothing; kMixed: a patch merged from both.
enum class Objective { kWritten, kInjected, kNone, kMixed };
std::string_view to_string(Objective objective);  // "written", "injected", "none", "mixed"

struct Edit {
  std::string method;
  Objective objective = Objective::kNone;
  std::map<std::string, std::string> options;  // as used, defaults included; only the method reads them
  std::string base_fingerprint;
  std::vector<std::vector<std::int64_t>> context_ids;  // sampled context rows, without BOS
  std::vector<WeightChange> changes;                   // at most one a weight, in the order of weights
  std::vector<WeightSolve> solves;                     // one for each change, in the same order
  std::vector<FactRecord> facts;                       // in the order of the requests
  std::vector<std::string> warnings;
  // Whether `changes` hold those of the edit that was on the model already (EditorContext::earlier) and stand
  // in its place; `carried` are the facts of that edit as they are solved now.
  bool replaces_earlier = false;
  std::vector<FactRecord> carried;

  // Both return nullptr if the edit does not change this weight.
  const WeightSolve* solve_of(const WeightRef& weight) const;
  const WeightChange* change_of(const WeightRef& weight) const;
  // The fingerprint of the second moments that were used. Empty if C = I; if weights have different ones, all
  // of them joined by "+".
  std::string statistics_fingerprint() const;
  // The same for one weight. Empty if C = I, or if the edit does not change this weight.
  std::string statistics_fingerprint(const WeightRef& weight) const;
};

// Lays changes on a model for its lifetime: one after the other W += B A in float32, each sum rounded to the
// model's dtype. The destructor puts the same bytes back. Scopes may nest and must end in reverse order.
// Throws Error(kModel) if a change does not fit the model.
class ScopedEdit {
 public:
  ScopedEdit(Model& model, const std::vector<WeightChange>& changes);
  ~ScopedEdit();
  ScopedEdit(const ScopedEdit&) = delete;
  ScopedEdit& operator=(const ScopedEdit&) = delete;

 private:
  Model& model_;
  std::vector<std::pair<WeightRef, at::Tensor>> saved_;
};

}  // namespace emend
