// C^-1 K by Eigen's LLT, a second implementation to compare linalg/spd_factor.h with.
#pragma once

#include <ATen/ATen.h>

#include <Eigen/Cholesky>

#include "emend/error.h"

namespace emend::test {

// C [n, n] symmetric, K [n, m]; float64 on the CPU. Throws Error(kNumeric) if C is not positive definite.
inline at::Tensor solve_by_eigen(const at::Tensor& C, const at::Tensor& K) {
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const at::Tensor c = C.contiguous(), k = K.contiguous();
  const Eigen::Map<const Matrix> c_map(c.const_data_ptr<double>(), c.size(0), c.size(1));
  const Eigen::Map<const Matrix> k_map(k.const_data_ptr<double>(), k.size(0), k.size(1));
  const Eigen::LLT<Matrix> factor(c_map);
  if (factor.info() != Eigen::Success)
    throw Error(ErrorKind::kNumeric, "the matrix is not positive definite");
  at::Tensor result = at::empty_like(k);
  Eigen::Map<Matrix>(result.data_ptr<double>(), k.size(0), k.size(1)) = factor.solve(k_map);
  return result;
}

}  // namespace emend::test
