#include "linalg/cholesky_panels.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace emend {

CholeskyPanels::CholeskyPanels(const at::Tensor& A, double ridge, const at::Device& device,
                               std::int64_t columns)
    : columns_(columns) {
  const std::int64_t n = A.size(0);
  for (std::int64_t begin = 0; begin < n; begin += columns) {
    const std::int64_t width = std::min(columns, n - begin);
    panels_.push_back(
        A.narrow(0, begin, n - begin).narrow(1, begin, width).to(device, at::kDouble, false, /*copy=*/true));
    panels_.back().diagonal().add_(ridge);
  }
  factor();
}

std::int64_t CholeskyPanels::kept_bytes(std::int64_t n, std::int64_t columns) {
  std::int64_t elements = 0;
  for (std::int64_t begin = 0; begin < n; begin += columns)
    elements += (n - begin) * std::min(columns, n - begin);
  return elements * static_cast<std::int64_t>(sizeof(double));
}

// The factor of a diagonal block; and what solving with it makes of the rows behind it, which LAPACK wants in
// its own order.
std::int64_t CholeskyPanels::working_bytes(std::int64_t n, std::int64_t columns) {
  const std::int64_t width = std::min(columns, n);
  return (width * width + 2 * (n - width) * width) * static_cast<std::int64_t>(sizeof(double));
}

at::Tensor CholeskyPanels::diagonal(std::size_t panel) const {
  return panels_[panel].narrow(0, 0, panels_[panel].size(1));
}

at::Tensor CholeskyPanels::below(std::size_t panel) const {
  const std::int64_t width = panels_[panel].size(1);
  return panels_[panel].narrow(0, width, panels_[panel].size(0) - width);
}

// Each panel, once it is done, is taken off all those behind it.
void CholeskyPanels::factor() {
  for (std::size_t j = 0; j < panels_.size(); ++j) {
    auto [lower, status] = at::linalg_cholesky_ex(diagonal(j));
    if (const int minor = status.item<int>(); minor != 0) {
      failed_minor_ = static_cast<std::int64_t>(j) * columns_ + minor;
      return;
    }
    if (panels_.size() == 1) {
      panels_.front() = lower;
      return;
    }
    diagonal(j).copy_(lower);
    at::Tensor rest = below(j);
    if (rest.size(0) == 0) return;
    rest.copy_(at::linalg_solve_triangular(lower.mT(), rest, /*upper=*/true, /*left=*/false));
    std::int64_t first = 0;  // row of `rest` at which a later panel begins
    for (std::size_t i = j + 1; i < panels_.size(); ++i) {
      const at::Tensor tail = rest.narrow(0, first, rest.size(0) - first);
      panels_[i].addmm_(tail, tail.narrow(0, 0, panels_[i].size(1)).t(), 1, -1);
      first += panels_[i].size(1);
    }
  }
}

// L X = K from the top, then L^T X = X from the bottom.
at::Tensor CholeskyPanels::solve(const at::Tensor& K) const {
  at::Tensor x = K.to(panels_.front().device()).clone();
  const std::int64_t n = x.size(0);
  for (std::size_t j = 0; j < panels_.size(); ++j) {
    const std::int64_t begin = static_cast<std::int64_t>(j) * columns_, width = panels_[j].size(1);
    at::Tensor own = x.narrow(0, begin, width);
    own.copy_(at::linalg_solve_triangular(diagonal(j), own, /*upper=*/false));
    if (begin + width < n) x.narrow(0, begin + width, n - begin - width).addmm_(below(j), own, 1, -1);
  }
  for (std::size_t j = panels_.size(); j-- > 0;) {
    const std::int64_t begin = static_cast<std::int64_t>(j) * columns_, width = panels_[j].size(1);
    at::Tensor own = x.narrow(0, begin, width);
    if (begin + width < n) own.addmm_(below(j).t(), x.narrow(0, begin + width, n - begin - width), 1, -1);
    own.copy_(at::linalg_solve_triangular(diagonal(j).mT(), own, /*upper=*/true));
  }
  return x.to(K.device());
}

// L (L^T K), panel after panel.
at::Tensor CholeskyPanels::times(const at::Tensor& K) const {
  const at::Tensor x = K.to(panels_.front().device());
  at::Tensor product = at::zeros_like(x);
  for (std::size_t j = 0; j < panels_.size(); ++j) {
    const std::int64_t begin = static_cast<std::int64_t>(j) * columns_, rows = panels_[j].size(0);
    product.narrow(0, begin, rows).addmm_(panels_[j], at::matmul(panels_[j].t(), x.narrow(0, begin, rows)));
  }
  return product.to(K.device());
}

}  // namespace emend
