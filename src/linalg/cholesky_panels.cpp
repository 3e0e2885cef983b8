#include "linalg/cholesky_panels.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace emend {

namespace {

// [b, b] lower triangle of a panel, and the rows behind it.
at::Tensor triangle_of(const at::Tensor& panel) {
  return panel.narrow(0, 0, panel.size(1));
}
at::Tensor below(const at::Tensor& panel) {
  return panel.narrow(0, panel.size(1), panel.size(0) - panel.size(1));
}

}  // namespace

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

std::size_t CholeskyPanels::count() const {
  return read_ ? static_cast<std::size_t>((order_ + columns_ - 1) / columns_) : panels_.size();
}

at::Tensor CholeskyPanels::panel(std::size_t j) const {
  return read_ ? read_(j) : panels_[j];
}

at::Device CholeskyPanels::device() const {
  return read_ ? at::Device(at::kCPU) : panels_.front().device();
}

// Each panel, once it is done, is taken off all those behind it.
void CholeskyPanels::factor() {
  for (std::size_t j = 0; j < panels_.size(); ++j) {
    auto [lower, status] = at::linalg_cholesky_ex(triangle_of(panels_[j]));
    if (const int minor = status.item<int>(); minor != 0) {
      failed_minor_ = static_cast<std::int64_t>(j) * columns_ + minor;
      return;
    }
    if (panels_.size() == 1) {
      panels_.front() = lower;
      return;
    }
    triangle_of(panels_[j]).copy_(lower);
    at::Tensor rest = below(panels_[j]);
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
  at::Tensor x = K.to(device()).clone();
  const std::int64_t n = x.size(0);
  for (std::size_t j = 0; j < count(); ++j) {
    const at::Tensor L = panel(j);
    const std::int64_t begin = static_cast<std::int64_t>(j) * columns_, width = L.size(1);
    at::Tensor own = x.narrow(0, begin, width);
    own.copy_(at::linalg_solve_triangular(triangle_of(L), own, /*upper=*/false));
    if (begin + width < n) x.narrow(0, begin + width, n - begin - width).addmm_(below(L), own, 1, -1);
  }
  for (std::size_t j = count(); j-- > 0;) {
    const at::Tensor L = panel(j);
    const std::int64_t begin = static_cast<std::int64_t>(j) * columns_, width = L.size(1);
    at::Tensor own = x.narrow(0, begin, width);
    if (begin + width < n) own.addmm_(below(L).t(), x.narrow(0, begin + width, n - begin - width), 1, -1);
    own.copy_(at::linalg_solve_triangular(triangle_of(L).mT(), own, /*upper=*/true));
  }
  return x.to(K.device());
}

// L (L^T K), panel after panel.
at::Tensor CholeskyPanels::times(const at::Tensor& K) const {
  const at::Tensor x = K.to(device());
  at::Tensor product = at::zeros_like(x);
  for (std::size_t j = 0; j < count(); ++j) {
    const at::Tensor L = panel(j);
    const std::int64_t begin = static_cast<std::int64_t>(j) * columns_, rows = L.size(0);
    product.narrow(0, begin, rows).addmm_(L, at::matmul(L.t(), x.narrow(0, begin, rows)));
  }
  return product.to(K.device());
}

}  // namespace emend
