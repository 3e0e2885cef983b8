// A rule that moves many independent vectors downhill, one evaluation of loss and gradient after the other.
#pragma once

#include <ATen/core/Tensor.h>

namespace emend::editors {

// U vectors of D numbers, on the device of what it is made from. Each row moves by itself: what happens in
// one has no part in another, and a row that takes no part in a call keeps its state.
class Descent {
 public:
  virtual ~Descent() = default;

  // [U, D] float32: where each row is evaluated next.
  virtual const at::Tensor& values() const = 0;

  // Takes the evaluation of the given rows (int64 [n]) at their values over: losses [n, 1] float64, which
  // must be numbers, and gradient [n, D]; moves them to where they are evaluated next.
  virtual void update(const at::Tensor& rows, const at::Tensor& losses, const at::Tensor& gradient) = 0;

  // From here on the losses of these rows are those of another function; they are evaluated again where they
  // are.
  virtual void change_loss(const at::Tensor& rows) = 0;
};

}  // namespace emend::editors
