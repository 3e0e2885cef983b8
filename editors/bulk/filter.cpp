#include "editors/bulk/filter.h"

#include <ATen/ATen.h>

namespace emend::editors {

namespace {

// The fewest leading left singular vectors of W that hold this share of its energy [D, k] float32.
at::Tensor leading_directions(const at::Tensor& W, double energy) {
  const at::Tensor w = W.to(at::kCPU, at::kDouble);
  const auto [values, vectors] = at::linalg_eigh(at::matmul(w, w.t()));  // ascending
  const at::Tensor held = values.flip(0).cumsum(0) / values.sum();
  const std::int64_t k = (held < energy).sum().item<std::int64_t>() + 1;
  const std::int64_t size = values.size(0);
  return vectors.narrow(1, size - std::min(k, size), std::min(k, size)).to(at::kFloat).contiguous();
}

// Over the rows that are numbers.
double mean_length(const at::Tensor& rows) {
  const at::Tensor lengths = rows.norm(2, 1);
  return lengths.masked_select(at::isfinite(lengths)).mean().item<double>();
}

}  // namespace

Filter::Filter(const BulkOptions& options, const std::vector<at::Tensor>& weights,
               const at::Tensor& streams) {
  if (options.filter == FilterStage::kNormAnchor) anchor_ = options.anchor * mean_length(streams);
  if (options.filter != FilterStage::kSpectral || options.filtered_energy == 0) return;
  strength_ = options.filter_strength;
  for (const at::Tensor& W : weights) directions_.push_back(leading_directions(W, options.filtered_energy));
}

at::Tensor Filter::targets(const at::Tensor& wanted) const {
  if (anchor_ == 0) return wanted;
  return wanted * (anchor_ / at::clamp_min(wanted.norm(2, 1, true), 1e-12));
}

at::Tensor Filter::residuals(const at::Tensor& wanted, std::size_t place) const {
  if (directions_.empty()) return wanted;
  const at::Tensor& U = directions_[place];
  return wanted - strength_ * at::matmul(at::matmul(wanted, U), U.t());
}

}  // namespace emend::editors
