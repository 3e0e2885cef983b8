// x W^T + b, with a kernel of our own where few rows meet a matrix on the CPU.
#pragma once

#include <ATen/core/Tensor.h>

namespace emend {

// What at::linear gives, of x [N, in] -> [N, out], with its gradient with respect to x; numbers may differ in
// rounding. Where x is float32 on the CPU and has few rows (linear_kernel.h), a row's result does not depend
// on the rows beside it, nor on the number of threads.
at::Tensor linear_rows(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace emend
