// The way from what a down projection produces to the residual stream.
#pragma once

#include <ATen/core/Tensor.h>

#include "emend/model.h"

namespace emend {

// In most models the value W k + b is added to the stream as it is. Behind a norm or a multiplier an added
// vector does not arrive as it was added: editors search for the value that W is to produce, and this tells
// what the blocks above see of it.
class ValuePath {
 public:
  ValuePath(const Model& model, int block);

  // Whether values arrive as they are.
  bool is_direct() const { return direct_; }
  // What the stream receives for these values [N, D], in their type and on their device; differentiable.
  at::Tensor arrived(const at::Tensor& values) const;
  // What the stream receives more of `values` + `change`, [N, D] both, than of `values`, in their type. Where
  // values arrive as they are that is `change`, and `values` may be undefined.
  at::Tensor arrived_change(const at::Tensor& values, const at::Tensor& change) const;
  // A bound for small changes: what arrives of one is at most this many times as long, for each of these
  // values [N, D]: [N].
  at::Tensor gain(const at::Tensor& values) const;

 private:
  BlockSpec spec_;
  at::Tensor norm_, norm_bias_;  // of the norm behind the MLP; undefined: there is none
  bool direct_;
};

}  // namespace emend
