// A Cholesky factor of which only the triangle is kept: panels of columns, half the memory of a square, or a
// panel at a time where they lie in a file.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace emend {

// A = L L^T in float64. Panel j holds the rows from j b on of the columns j b .. (j + 1) b of L; one panel
// alone is LAPACK's factor as it is. Immutable after construction.
class CholeskyPanels {
 public:
  static constexpr std::int64_t kColumns = 2048;  // b

  // A + ridge I with A [n, n] symmetric float64 or float32 on any device, of which only the lower triangle is
  // read; the factor lies on `device`. n^3 / 3 floating point operations; 4 n (n + b) bytes are kept, 16 n b
  // more are needed on the way. Look at failed_minor() before anything else.
  CholeskyPanels(const at::Tensor& A, double ridge, const at::Device& device,
                 std::int64_t columns = kColumns);

  // The panels of a factor that was made before, as panels() gave them.
  CholeskyPanels(std::vector<at::Tensor> panels, std::int64_t columns)
      : panels_(std::move(panels)), columns_(columns) {}

  // Gives panel j, laid out as it was made, in memory that is its own. Any thread may call.
  using ReadPanel = std::function<at::Tensor(std::size_t j)>;
  // The same for a factor of order n on the CPU whose panels are read when a product or a solve comes to
  // them, each of them twice in a solve, and held no longer: 8 n b bytes at a time, the same result to the
  // last bit.
  CholeskyPanels(std::int64_t n, ReadPanel read, std::int64_t columns = kColumns)
      : read_(std::move(read)), columns_(columns), order_(n) {}

  // Of a factor in memory; empty where they are read.
  const std::vector<at::Tensor>& panels() const { return panels_; }

  // Bytes that the factor of order n takes, and those that making it takes besides.
  static std::int64_t kept_bytes(std::int64_t n, std::int64_t columns = kColumns);
  static std::int64_t working_bytes(std::int64_t n, std::int64_t columns = kColumns);

  // Order of the leading minor that is not positive definite; 0: there is none.
  std::int64_t failed_minor() const { return failed_minor_; }

  // A^-1 K and A K for K [n, k] float64 on any device, where the result lies too: 2 n^2 k operations.
  at::Tensor solve(const at::Tensor& K) const;
  at::Tensor times(const at::Tensor& K) const;

 private:
  void factor();
  std::size_t count() const;
  at::Tensor panel(std::size_t j) const;
  at::Device device() const;

  std::vector<at::Tensor> panels_;
  ReadPanel read_;  // instead of them
  std::int64_t columns_, failed_minor_ = 0;
  std::int64_t order_ = 0;  // where they are read
};

}  // namespace emend
