// L-BFGS (Nocedal and Wright 2006, algorithm 7.4) for many independent vectors, each with a trust radius of
// its own and held in a ball.
//
// The first step follows the gradient, as long as the radius. Later ones follow -H g, H from the last pairs
// s = x' - x, y = g' - g of accepted steps (a pair with s.y <= 0 is dropped), cut to the radius; where that
// does not descend, the gradient again. A point is accepted where the loss fell by kArmijo of what the slope
// promised; else the step is shortened to kShorten and the radius halved. A step that is accepted at once
// lets the radius grow. So the losses of accepted points never rise.
//
// The losses are those of a target's probability p, mostly, and a search ends where p is as large as asked.
// No step goes further than there, were the logit log(p / (1 - p)) to rise along it as it does at its start:
// what lies beyond makes the update longer, which other facts pay for.
#pragma once

#include "editors/common/descent.h"

namespace emend::editors {

// The rows' sizes, each [U, 1].
struct LbfgsBounds {
  at::Tensor radius;  // length of the first step
  at::Tensor clamp;   // largest ||x||, and largest radius
  double growth = 1.5;
  double aim = 0;  // the probability that ends a search, below 1; 0: steps are not bounded by it
};

class Lbfgs : public Descent {
 public:
  static constexpr int kPairs = 8;

  // start [U, D] float32, inside the clamp or not.
  Lbfgs(at::Tensor start, LbfgsBounds bounds);

  const at::Tensor& values() const override { return values_; }
  void update(const at::Tensor& rows, const at::Tensor& losses, const at::Tensor& gradient) override;
  void change_loss(const at::Tensor& rows) override;

 private:
  // The history of the rows of one call: [n, kPairs, D] twice, oldest first, and [n, kPairs, 1] 1 / s.y (0:
  // no pair).
  struct Pairs {
    at::Tensor s, y, inverse;
  };

  // Each below for the given rows [n].
  Pairs remember(const at::Tensor& rows, const at::Tensor& accepted, const at::Tensor& step,
                 const at::Tensor& bend);
  at::Tensor next_step(const at::Tensor& rows, const Pairs& pairs) const;

  at::Tensor values_, clamp_, radius_;
  double growth_, aim_;
  at::Tensor point_, loss_, gradient_;  // [U, D], [U, 1] float64, [U, D]: the last accepted evaluation
  Pairs pairs_;                         // of all rows
  at::Tensor begins_;                   // [U, 1] bool: no evaluation of this loss has been accepted yet
  at::Tensor shortened_;                // [U, 1] bool: the step on its way was rejected at least once
};

}  // namespace emend::editors
