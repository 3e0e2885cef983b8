// Float64 matrices that depend on a seed alone, and how far two tensors lie apart.
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <cstdint>
#include <vector>

namespace emend::test {

inline at::Tensor normals(std::int64_t rows, std::int64_t columns, std::uint64_t seed) {
  at::Generator generator = at::globalContext().defaultGenerator(at::kCPU).clone();
  generator.set_current_seed(seed);
  return at::empty({rows, columns}, at::kDouble).normal_(0, 1, generator);
}

// ||a - b|| / ||b||.
inline double relative(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

// Q diag(values) Q^T with a random orthogonal Q.
inline at::Tensor with_spectrum(const std::vector<double>& values, std::uint64_t seed) {
  const auto n = static_cast<std::int64_t>(values.size());
  const at::Tensor q = std::get<0>(at::linalg_qr(normals(n, n, seed)));
  const at::Tensor c = at::matmul(q * at::tensor(values, at::kDouble), q.t());
  return 0.5 * (c + c.t());
}

// n values from `low` to `high`, each larger than the one before by the same factor.
inline std::vector<double> geometric(std::size_t n, double low, double high) {
  std::vector<double> values;
  for (std::size_t i = 0; i < n; ++i)
    values.push_back(low * std::pow(high / low, static_cast<double>(i) / static_cast<double>(n - 1)));
  return values;
}

}  // namespace emend::test
