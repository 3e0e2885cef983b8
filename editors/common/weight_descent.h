// Adam (Kingma and Ba 2015) for the change of one weight, each number of it held within a bound.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace emend::editors {

class WeightDescent {
 public:
  // The change begins at 0, float32 [out, in] on the device of `like`. `bound` 0: none.
  WeightDescent(const at::Tensor& like, double step, double bound);

  const at::Tensor& change() const { return change_; }

  // Puts another change in its place, scaled as a whole where a number of it is beyond the bound: a change
  // of a linear subspace stays there. The moments are not touched by that.
  void replace(const at::Tensor& change);

  // One step along the gradient [out, in], then back within the bound (Zhu et al. 2020: the
  // projection onto |Delta_ij| <= bound). The moments are not touched by that.
  void update(const at::Tensor& gradient);

 private:
  double step_, bound_;
  std::int64_t count_ = 0;
  at::Tensor change_, first_, second_;
};

}  // namespace emend::editors
