// The rows of one step of a search, laid side by side for one pass, and how what the pass says is added up.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "editors/common/search_rows.h"
#include "emend/model.h"

namespace emend::editors {

// The units of a batch that take part in a step.
struct ActiveUnits {
  std::vector<std::size_t> places;  // in the batch, ascending
  std::vector<bool> is_early;       // by unit of the batch: it runs its early rows alone
  bool drift_alone = false;         // of all units only the drift rows run
};

// Weighted sums over the groups of a ragged list: its values are brought into a rectangle [groups, widest],
// and what fills that up weighs 0.
struct GroupSums {
  at::Tensor index, weight;
  at::Tensor operator()(const at::Tensor& values) const;  // [values] -> [groups]
};

// `groups` hold places in a list of values, `weights` the weight of each value.
GroupSums group_sums(const std::vector<std::vector<std::int64_t>>& groups, const std::vector<double>& weights,
                     const at::Device& device);

// N tokens of the rows that run; `units` counts those that take part.
struct StepLayout {
  // Rows, cache, layout and the tokens whose logits are read: labels, ends, then drift rows.
  PassInput input;
  at::Tensor hidden;   // [N, D] ActiveRow::hidden
  at::Tensor value;    // [N, D] ActiveRow::value; undefined where rows have none
  at::Tensor alpha;    // [N, units] what a token receives of each unit's residual
  at::Tensor v0;       // [units, 1]
  at::Tensor labels;   // [L, 1]
  GroupSums row_nll;   // labels to target rows
  GroupSums unit_nll;  // target rows to units, also for their ends
  GroupSums unit_kl;   // drift rows to units; undefined without drift rows
  std::vector<ActiveRow*> drift_rows;
  std::vector<std::size_t> row_unit;  // place of each target row's unit
  std::vector<bool> row_bare;         // by target row
  std::int64_t ends = 0;              // target rows whose end is read: all of them, or 0

  std::int64_t units() const { return v0.size(0); }
};

// The layout refers to `prepared`, which outlives it: row i continues row i of its cache.
StepLayout lay_out_step(const Model& model, SearchRows& prepared, const ActiveUnits& units);

}  // namespace emend::editors
