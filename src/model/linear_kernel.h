// The product of few rows with a matrix, as the processor at hand runs it fastest.
#pragma once

#include <cstdint>

namespace emend {

// y = x W^T + b of float32 rows. x [rows, in], `bias` [out] (null: none) and y [rows, out] lie row after row;
// a row of W [out, in] begins `stride` numbers behind the one before it.
struct LinearRows {
  const float *x, *weight, *bias;
  float* y;
  std::int64_t rows, in, out, stride;
};

// A kernel for one instruction set. It reads W once, as it lies in memory: matrix libraries copy all of it
// into another order first, which costs more than the product of few rows.
struct LinearKernel {
  // Columns [begin, end) of y. Each number is summed in one order, whatever the rows and columns beside it.
  void (*run)(const LinearRows& product, std::int64_t begin, std::int64_t end);
  std::int64_t most_rows;  // more rows are left to the library
};

// nullptr: this processor has none.
const LinearKernel* linear_kernel();

}  // namespace emend
