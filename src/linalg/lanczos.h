// The largest eigenvalue of a symmetric operator by a few steps of Lanczos.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace emend {

inline constexpr int kLanczosSteps = 16;

struct Krylov {
  double largest = 0;  // eigenvalue, from below
  at::Tensor basis;    // [n, k] orthonormal: what was seen on the way
};

// The largest eigenvalue of the symmetric x -> apply(x) over the Krylov space of a fixed start (Lanczos, each
// vector made orthogonal to all before): what 16 steps find is at least what as many power steps find, and
// where the largest eigenvalues are near to each other, what hundreds of them do. `apply` takes and gives [n,
// 1].
template <typename Apply>
Krylov lanczos(std::int64_t n, const at::TensorOptions& options, Apply apply) {
  constexpr double kNothingNew = 1e-12;
  at::Tensor x = at::linspace(1.0, 2.0, n, options).unsqueeze(1);
  x = x * at::where(at::arange(n, options).remainder(2) == 0, 1.0, -0.7).unsqueeze(1);
  at::Tensor basis = x / x.norm();
  std::vector<at::Tensor> images;
  for (std::int64_t step = 0; step < std::min<std::int64_t>(kLanczosSteps, n); ++step) {
    const at::Tensor image = apply(basis.narrow(1, step, 1));
    images.push_back(image);
    at::Tensor rest = image;
    for (int twice = 0; twice < 2; ++twice) rest = rest - at::matmul(basis, at::matmul(basis.t(), rest));
    const double length = rest.norm().item<double>();
    if (!(length > kNothingNew * image.norm().item<double>())) break;  // the space is invariant
    basis = at::cat({basis, rest / length}, 1);
  }
  const auto seen = static_cast<std::int64_t>(images.size());
  const at::Tensor known = basis.narrow(1, 0, seen);
  const at::Tensor quotient = at::matmul(known.t(), at::cat(images, 1));
  return {at::linalg_eigvalsh((quotient + quotient.t()) / 2)[-1].item<double>(), basis};
}

}  // namespace emend
