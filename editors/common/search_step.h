// One evaluation of the search's loss and its gradient: the residual stream at the layer plus alpha r, the
// blocks above, the losses. What stays the same from step to step while the same units take part is made
// once.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "editors/common/search_rows.h"
#include "editors/common/value_search.h"
#include "emend/model.h"
#include "model/device_graph.h"

namespace emend {

// One evaluation, a number for each unit that takes part.
struct StepLosses {
  std::vector<double> total, nll, kl;
  std::vector<double> bare, mean;  // the target's probability: lowest over the bare rows, mean over all
};

class SearchStep {
 public:
  // The rows of the units `active`, in ascending order, or the early ones of a unit that is_early (by unit of
  // the batch); row i continues row i of `cache`. v0_norms [batch units, 1]. The references outlive the step.
  SearchStep(const Model& model, int layer, KvCache& cache, std::vector<ActiveRow>& rows,
             const std::vector<std::size_t>& active, const std::vector<bool>& is_early,
             const at::Tensor& v0_norms, const SearchOptions& options);

  // The losses at r [active units, D], and with `wants_gradient` their gradients [active units, D] (of each
  // unit's total with respect to its own r). On a GPU the backward pass is under way before the losses are
  // read, and a small step is recorded the second time and then launched as a whole.
  StepLosses evaluate(const at::Tensor& r, bool wants_gradient);
  // Of the last evaluation [active units, D].
  at::Tensor gradient(const at::Tensor& r);

 private:
  // Values of a ragged list brought into a rectangle [groups, widest], each with a weight; what fills it up
  // weighs 0.
  struct Gather {
    at::Tensor index, weight;
    at::Tensor operator()(const at::Tensor& values) const;  // [values] -> weighted sums [groups]
  };
  static Gather gather(const std::vector<std::vector<std::int64_t>>& groups,
                       const std::vector<double>& weights, const at::Device& device);

  void forward(const at::Tensor& r, bool wants_gradient);
  void backward();
  bool is_worth_recording() const;
  void record(const at::Tensor& r);
  void run_recorded(const at::Tensor& r);
  at::Tensor drift(const at::Tensor& logprobs);
  StepLosses read() const;

  const Model& model_;
  const SearchOptions& options_;
  PassInput input_;                      // rows, cache, layout and the tokens whose logits are read
  at::Tensor hidden_, alpha_;            // [N, D]; [N, units] what a token receives of each unit's residual
  at::Tensor v0_;                        // [units, 1]
  at::Tensor labels_, initial_;          // [L, 1]; [drift rows, V]
  Gather row_nll_, unit_nll_, unit_kl_;  // labels to rows, rows to units, drift rows to units
  std::vector<ActiveRow*> drift_rows_;
  std::vector<std::size_t> row_unit_;  // place of each target row's unit
  std::vector<bool> row_bare_;
  // Of the last evaluation: the residual stream [N, D], the losses [units], what is read of them [rows + 2
  // units].
  at::Tensor leaf_, total_, losses_;
  at::Tensor leaf_gradient_;
  int gradients_ = 0;  // evaluations that wanted one
  bool may_record_ = true;
  std::optional<DeviceGraph> recorded_;  // reads recorded_r_, writes the others
  at::Tensor recorded_r_, recorded_losses_, recorded_gradient_;
};

}  // namespace emend
