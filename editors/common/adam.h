// Adam (Kingma and Ba 2015) for many independent vectors, with projection onto a ball.
#pragma once

#include "editors/common/descent.h"

namespace emend::editors {

// Rows of `values` [U, D] move by their own step sizes; a row that takes no part
// in a step keeps its moments and its count. The losses themselves are not looked at.
class Adam : public Descent {
 public:
  // step, radius: [U, 1]
  Adam(at::Tensor start, at::Tensor step, at::Tensor radius);

  const at::Tensor& values() const override { return values_; }

  // One step of the given rows (int64 [n]) along gradient [n, D], then back onto the ball of the row's
  // radius. The moments are not touched by the projection, as in the reference.
  void update(const at::Tensor& rows, const at::Tensor& losses, const at::Tensor& gradient) override;
  void change_loss(const at::Tensor&) override {}

 private:
  at::Tensor values_, step_, radius_, first_, second_, count_;
};

}  // namespace emend::editors
