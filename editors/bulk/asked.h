// What some facts ask of all layers together, and what is left of it for each layer while the layers below
// are written one after the other.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "editors/bulk/options.h"
#include "editors/common/key_groups.h"
#include "editors/common/request_rows.h"
#include "emend/edit.h"
#include "emend/model.h"
#include "linalg/key_constraints.h"

namespace emend::editors {

// The keys of one subject at a layer as float32 numbers, which is what a patch keeps: the first is where the
// value is measured.
KeyConstraint constraint_of(const SubjectKeys& keys, bool at_sink, BulkKeys kind);

// What a call reads the subjects of its facts with.
struct Reading {
  const BulkOptions& options;
  const std::vector<int>& layers;  // that are written
  std::int64_t token_budget;
};

// One constraint for each group that group_requests makes of the rows, read on `model`; the sink's key is
// among them if the options protect it.
std::vector<KeyConstraint> read_constraints(const Model& model, int layer, const CallRows& rows,
                                            Grouping grouping, const Reading& reading);

// The carried facts, whose displacements are known already: a fact of n layers was written 1/n of it at the
// first one, where its key never moves.
class CarriedSubjects {
 public:
  // The edited ones of `facts`, by subject. All keys are read on `model` once.
  CarriedSubjects(const Model& model, const std::vector<FactRecord>& facts, const RowForm& form,
                  const std::vector<TokenIds>& contexts, const Reading& reading);

  const CallRows& rows() const { return rows_; }
  const std::vector<KeyGroup>& groups() const { return groups_; }
  // Places of the group's facts in the list that was given.
  const std::vector<std::size_t>& facts_of(std::size_t g) const { return facts_[g]; }
  const at::Tensor& displacements() const { return displacements_; }  // [groups, D] float64
  // What later searches found missing, [groups, D]. None of the displacements becomes longer by it than
  // `longest` [groups] float64, unless it was so before.
  void ask_more(const at::Tensor& displacements, const at::Tensor& longest);

 private:
  std::vector<std::size_t> edited_;
  CallRows rows_;
  std::vector<KeyGroup> groups_;
  std::vector<std::vector<std::size_t>> facts_;
  at::Tensor displacements_;
};

// Displacements of what the layers make of each group's subject [groups, D], measured from the model whose
// layers are untouched.
class Asked {
 public:
  // `untouched` has no change on it. `displacements` float64.
  Asked(const Model& untouched, const CallRows& rows, const std::vector<KeyGroup>& groups,
        at::Tensor displacements, const Reading& reading);

  // What layer number `place` is to add for each group [groups, D] float32, on the model whose layers below
  // are written, and this one and those above are not.
  at::Tensor of_layer(const Model& model, std::size_t place) const;

 private:
  const CallRows& rows_;
  const std::vector<KeyGroup>& groups_;
  Reading reading_;
  at::Tensor displacements_;
  std::vector<at::Tensor> targets_;  // of each layer [groups, D] float32
};

}  // namespace emend::editors
