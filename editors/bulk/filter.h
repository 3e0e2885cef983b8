// The third stage of a bulk edit: what becomes of value vectors before they are written. A filter changes
// residuals alone, so that the solve, and whoever solves it again, needs to know nothing of it.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "editors/bulk/options.h"

namespace emend::editors {

class Filter {
 public:
  // `weights` [D, F], one for each layer as they are without the edit, and `streams` [groups, D] float32,
  // what the last layer makes of the subjects in the unedited model. About 10 D^3 + 2 D^2 F operations a
  // layer for the spectral filter, none for the others.
  Filter(const BulkOptions& options, const std::vector<at::Tensor>& weights, const at::Tensor& streams);

  // What the subjects should become [groups, D]: of the length of the anchor, if that is the filter.
  at::Tensor targets(const at::Tensor& wanted) const;
  // What layer number `place` is to write of these residuals [groups, D] float32.
  at::Tensor residuals(const at::Tensor& wanted, std::size_t place) const;

 private:
  double anchor_ = 0;  // length of every target; 0: as it is
  double strength_ = 0;
  std::vector<at::Tensor> directions_;  // [D, k] float32: the leading left singular vectors of each layer
};

}  // namespace emend::editors
