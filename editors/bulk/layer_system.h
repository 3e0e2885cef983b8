// All facts of one layer as one system: W = W0 + R A, A^T = responses to the keys of all of them, where R is
// in units of the untouched weight W0. Whatever the order in which facts come, the solution is that of all of
// them at once.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "editors/bulk/carried.h"
#include "editors/bulk/preserve.h"
#include "emend/edit.h"
#include "emend/model.h"
#include "linalg/key_constraints.h"

namespace emend::editors {

// How much of what was asked for a solve gives, over its new facts; after replace() over all.
struct RealisedShare {
  double mean = 0, least = 0;
  double missing = 0;  // ||given - wanted|| / ||wanted|| over them
  // The same over all keys of all facts, protected keys among them: the residual of the least squares.
  double missing_at_all_keys = 0;
};

class LayerSystem {
 public:
  // `weight` is W0 [D, F] in the model's dtype, `carried` the facts that are in the system from the
  // beginning, and `known` their change of the weight if it is at hand, which need not be solved again then.
  // `preserve` outlives the system.
  LayerSystem(const Preserve& preserve, at::Tensor weight, std::vector<CarriedGroup> carried,
              WeightChange known = {});

  WeightRef weight() const { return record().weight; }
  WeightSolve record() const { return preserve_.record(static_cast<std::int64_t>(groups())); }
  std::size_t groups() const { return carried_.size() + fresh_.size(); }
  const at::Tensor& untouched() const { return weight_; }

  // Sets the keys of the new facts, and adds residuals [n, D] float32 to what they have: at first what the
  // system gives at their keys already, so that `more` is measured on the model as it is. The first
  // column of a constraint with the answer 1 is where that is measured. Then solves.
  void add(const std::vector<KeyConstraint>& constraints, const at::Tensor& more);
  // Solves these facts in the place of all that the system has: carried ones, and residuals [n, D] float32
  // for the keys of the new ones.
  void replace(std::vector<CarriedGroup> carried, const std::vector<KeyConstraint>& constraints,
               const at::Tensor& residuals);
  // Solves what the system has, if that was not done yet: for facts that are carried alone. Facts of the same
  // keys and answers keep their responses, whatever their residuals are.
  void solve();

  // Of the last add() or replace(): the products of all keys with the change, on the weight's device in
  // float32 (about six digits).
  RealisedShare realised() const;

  // What is solved, and W0 with it; undefined (W0 itself) while there are no facts.
  const WeightChange& change() const { return change_; }
  at::Tensor changed() const;
  // The part of new fact g, and the row and norms of carried ones. Solved systems alone have them.
  FactPart part(std::size_t g) const;
  FactPart carried_part(std::size_t c) const;
  void book_carried(std::vector<FactRecord>& facts) const;

 private:
  // What was asked of the new facts, and what the system gave at their keys before.
  struct AskedOfFresh {
    at::Tensor before, more;  // [n, D] float64; undefined after replace()
  };

  void take(std::vector<CarriedGroup> carried, const std::vector<KeyConstraint>& constraints);
  std::vector<KeyConstraint> all_constraints() const;
  at::Tensor all_residuals() const;
  FactPart part_of_row(std::size_t row, const KeyConstraint& constraint, const at::Tensor& residual) const;
  at::Tensor given_at(const at::Tensor& keys) const;
  at::Tensor given_at_all(const at::Tensor& keys) const;

  const Preserve& preserve_;
  at::Tensor weight_;
  double norm_;  // of W0
  std::vector<CarriedGroup> carried_;
  std::vector<KeyConstraint> fresh_;
  at::Tensor residuals_;  // [n, D] float32 of the new facts
  at::Tensor responses_;  // [F, groups] float64; undefined: not solved yet
  WeightChange change_;
  AskedOfFresh asked_;
};

}  // namespace emend::editors
