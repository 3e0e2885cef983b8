// What is settled before any search: the keys of every request, who shares a residual, which a answers them,
// and who gets into whose way.
#pragma once

#include <string>
#include <vector>

#include "editors/common/key_groups.h"
#include "editors/rome/options.h"
#include "emend/editor.h"

namespace emend {

class RomePlan {
 public:
  // Samples the contexts and runs all rows up to the keys of context.layer. Throws Error(kConfig) for a layer
  // or statistics that are not there, for edits that contradict each other, and, when they are edited
  // together, for keys that can hardly be told apart; Error(kNumeric) when C is not positive definite or a
  // key not finite. The references outlive the plan.
  RomePlan(const Model& model, const std::vector<EditRequest>& requests, const EditorContext& context,
           const RomeOptions& options, Grouping grouping);

  const Model& model() const { return model_; }
  const std::vector<EditRequest>& requests() const { return requests_; }
  const EditorContext& context() const { return context_; }
  const RomeOptions& options() const { return options_; }
  const CallRows& rows() const { return rows_; }
  const LayerTrace& trace() const { return trace_; }
  const std::vector<KeyGroup>& groups() const { return groups_; }
  // Where the edit is written.
  int layer() const { return trace_.layer(); }
  WeightRef weight() const { return {layer(), Role::kMlpDown}; }
  // What C + ridge I was solved with: nullptr for C = I.
  const SpdInfo* solved_with() const { return metric_.info(); }

  // All that was noticed; KeyGroup::warnings has what concerns one group alone.
  std::vector<std::string> warnings() const;
  std::string ids(const KeyGroup& group) const { return group.ids(requests_); }

  // The keys that an edit of this group alone is held to, the sink's among them: one a column.
  KeyConstraint constraint(const KeyGroup& group) const;
  // a [F] float64 of one group alone.
  at::Tensor response(const KeyGroup& group) const;
  // One a for each of these groups [F, groups]: 1 on its own keys, 0 on
  // those of the others and on the sink's.
  at::Tensor joint_responses(const std::vector<std::size_t>& groups) const;
  // Whether the groups are solved jointly at all: there are several, and the
  // response is a solution at given keys.
  bool is_joint() const { return groups_.size() > 1 && options_.keys != RomeKeys::kOriginal; }

  // The largest share of the residual that a token of a neighbour's prompt
  // gets; for loud ones a sentence in `loud`.
  double neighbour_alpha(const KeyGroup& group, const at::Tensor& a, std::vector<std::string>& loud) const;

  // What `emend edit --dry-run` tells.
  EditPlan summary() const;

 private:
  std::vector<KeyConstraint> constraints(const std::vector<std::size_t>& groups) const;
  std::vector<std::size_t> all_groups() const;
  void warn_of_parallel_keys();
  void require_separable_keys() const;

  const Model& model_;
  const std::vector<EditRequest>& requests_;
  const EditorContext& context_;
  const RomeOptions& options_;
  KeyMetric metric_;
  CallRows rows_;
  LayerTrace trace_;
  std::vector<KeyGroup> groups_;
  at::Tensor sink_key_;                     // [F] float64, undefined when not protected
  std::vector<std::string> parallel_keys_;  // warnings of them
};

}  // namespace emend
