// One evaluation of the search's loss and its gradient: the values at the layer plus alpha r, the residual
// stream that comes of them, the blocks above, the losses.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "editors/common/step_layout.h"
#include "emend/model.h"
#include "model/device_graph.h"
#include "model/value_path.h"

namespace emend::editors {

// One evaluation, a number for each unit that takes part.
struct StepLosses {
  std::vector<double> total, nll, kl;
  std::vector<double> bare, mean;  // the target's probability: lowest over the bare rows, mean over all
  std::vector<double> end_nll;     // of the end behind the target; 0 where it is not taught
  std::vector<double> bare_end, mean_end;  // its probability, as `bare` and `mean`; 1 where it is not taught
};

// What stays the same from step to step while the same units take part is made once.
class SearchStep {
 public:
  // The references outlive the step.
  SearchStep(const Model& model, SearchRows& prepared, const ActiveUnits& units,
             const SearchOptions& options);

  // The losses at r [active units, D], and with `wants_gradient` their gradients [active units, D] (of each
  // unit's total with respect to its own r). On a GPU the backward pass is under way before the losses are
  // read, and a small step is recorded the second time and then launched as a whole.
  StepLosses evaluate(const at::Tensor& r, bool wants_gradient);
  // Of the last evaluation [active units, D].
  at::Tensor gradient(const at::Tensor& r);

  // One pass at r = 0 of a step whose rows are drift rows alone, for what they say before the edit.
  void see_initial();

 private:
  // What an evaluation leaves.
  struct Evaluation {
    // [N, D] what gradients are taken at: the residual stream, or the values where they do not reach it as
    // they are
    at::Tensor leaf;
    at::Tensor total;          // [units]
    at::Tensor losses;         // [rows + ends + 3 units] what is read of them
    at::Tensor leaf_gradient;  // [N, D], once it is asked for
  };
  // An evaluation as one launch: it reads r and writes losses and gradient.
  struct Recorded {
    DeviceGraph graph;
    at::Tensor r, losses, gradient;
  };

  void forward(const at::Tensor& r, bool wants_gradient);
  at::Tensor pass(const at::Tensor& leaf) const;
  void backward();
  at::Tensor drift(const at::Tensor& logprobs);
  at::Tensor row_end_nll(const at::Tensor& logprobs) const;
  StepLosses read() const;
  void add_decay(const at::Tensor& r, std::vector<double>& total) const;

  bool is_worth_recording() const;
  void record(const at::Tensor& r);
  void run_recorded(const at::Tensor& r);

  const Model& model_;
  const SearchOptions& options_;
  ValuePath value_path_;
  StepLayout layout_;
  at::Tensor end_ids_;  // [E]
  at::Tensor initial_;  // [drift rows, V] log-probabilities before the edit, once they are known
  Evaluation last_;
  std::int64_t gradients_ = 0;  // evaluations that wanted one
  bool may_record_ = true;
  std::optional<Recorded> recorded_;
};

}  // namespace emend::editors
