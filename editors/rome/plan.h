// What is settled before any search: the keys of every request, who shares a residual, which response answers
// them, and which edits are in each other's way.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "editors/common/key_groups.h"
#include "editors/rome/options.h"
#include "editors/rome/parallel_keys.h"
#include "editors/rome/protected_keys.h"
#include "emend/editor.h"
#include "linalg/key_constraints.h"
#include "linalg/response_solver.h"

namespace emend::editors {

class RomePlan {
 public:
  // Samples the contexts and runs all rows up to the keys of the context's layer. Throws Error(kConfig) for a
  // layer or statistics that are not there, for edits that contradict each other, and, if they are edited
  // together, for keys that can hardly be told apart; Error(kNumeric) if C is not positive definite or a key
  // is not finite (with keep_going for that of position 0 alone: such groups are broken). The references
  // outlive the plan.
  RomePlan(const Model& model, const std::vector<EditRequest>& requests, const EditorContext& context,
           const RomeOptions& options, Grouping grouping);

  const Model& model() const { return model_; }
  const std::vector<EditRequest>& requests() const { return requests_; }
  const EditorContext& context() const { return context_; }
  const RomeOptions& options() const { return options_; }
  const CallRows& rows() const { return rows_; }
  const LayerTrace& trace() const { return trace_; }
  const std::vector<KeyGroup>& groups() const { return groups_; }
  // Those that cannot be edited, since their keys hold NaN or infinity; they are not among groups().
  const std::vector<KeyGroup>& broken() const { return broken_; }
  // Where the edit is written.
  int layer() const { return trace_.layer(); }
  WeightRef weight() const { return {layer(), Role::kMlpDown}; }
  // What C + ridge I was solved with: nullptr for C = I.
  const SpdInfo* solved_with() const { return metric_.info(); }

  // All that was noticed; KeyGroup::warnings has what concerns one group alone.
  std::vector<std::string> warnings() const;

  // The keys that an edit of group g alone is held to, protected ones and the sink's among them: one a
  // column.
  KeyConstraint constraint(std::size_t g) const;
  // The other subjects whose keys are among them.
  const std::vector<ProtectedKey>& protected_keys(std::size_t g) const { return protected_keys_[g]; }
  // All whose keys could be, and what |a^T k| may be at each: the option protected_share, until that is
  // changed.
  const ProtectableKeys& protectable(std::size_t g) const { return protectable_[g]; }
  const std::vector<double>& bounds(std::size_t g) const { return bounds_[g]; }
  // What it may be from now on, for all groups.
  void hold_within(const std::vector<std::vector<double>>& bounds);
  // One more of KeyGroup::warnings.
  void warn(std::size_t g, std::string warning) { groups_[g].warnings.push_back(std::move(warning)); }
  // How many keys protection adds to the joint system of these groups, and the condition of the cosines of
  // all its keys; 0 and 0 if it adds none.
  std::int64_t protected_count(const std::vector<std::size_t>& groups) const;
  double key_condition(const std::vector<std::size_t>& groups) const;
  // a [F] float64 of group g alone.
  at::Tensor response(std::size_t g) const;
  // One a for each of these groups [F, groups]: 1 on its own keys, 0 on those of the others and on the
  // sink's.
  at::Tensor joint_responses(const std::vector<std::size_t>& groups) const;
  // Whether the groups are solved jointly at all: there are several, and the response is a solution at given
  // keys.
  bool is_joint() const { return groups_.size() > 1 && options_.keys != RomeKeys::kOriginal; }
  std::vector<std::size_t> all_groups() const;

  // The largest share of the residual that a token of a neighbour's prompt gets; for loud ones a sentence in
  // `loud`.
  double neighbour_alpha(std::size_t g, const at::Tensor& a, std::vector<std::string>& loud) const;

  // What a dry run tells.
  EditPlan summary() const;

 private:
  std::string ids(std::size_t g) const { return groups_[g].ids(requests_); }
  void learn_keys();
  void protect();
  JointConstraints joint_constraints(const std::vector<std::size_t>& groups) const;
  void warn_of(const ParallelKeys& parallel);
  double joint_condition() const;
  void require_separable_keys(const ParallelKeys& parallel) const;
  at::Tensor all_responses() const;
  std::vector<EditPlan::Entry> entries_of(const KeyGroup& group, double norm, double largest_alpha,
                                          double text_share) const;

  const Model& model_;
  const std::vector<EditRequest>& requests_;
  const EditorContext& context_;
  const RomeOptions& options_;
  const Grouping grouping_;
  KeyMetric metric_;
  CallRows rows_;
  LayerTrace trace_;
  std::vector<KeyGroup> groups_, broken_;
  std::vector<KeyConstraint> constraints_;                 // of each group, without the sink's key
  std::vector<KeyConstraint> own_;                         // the same without protected keys
  std::vector<ProtectableKeys> protectable_;               // of each group
  std::vector<std::vector<double>> bounds_;                // of each group's protectable keys
  std::vector<std::vector<ProtectedKey>> protected_keys_;  // of each group
  at::Tensor sink_key_;                                    // [F] float64, undefined if it is not protected
  std::vector<std::string> parallel_keys_;                 // warnings of them
};

}  // namespace emend::editors
