// What responses are held to, and the joint system of several of them: K^T A^T = Y.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace emend {

// What one response a [F] is held to: K^T a = y.
struct KeyConstraint {
  at::Tensor K;  // [F, n] float64
  at::Tensor y;  // [n] float64
  // [n] float64, >= 0: by how much the answer at each key may be missed, in units of that key's k^T C^-1 k
  // (see key_response). Undefined: all are exact.
  at::Tensor slack = {};
};

// The same with one more key [F] that must not move: a column of K, a 0 in y. An undefined key adds nothing.
KeyConstraint with_protected(const KeyConstraint& constraint, const at::Tensor& key);

// The same with several keys [F, p], each with its slack [p].
KeyConstraint with_protected(const KeyConstraint& constraint, const at::Tensor& keys,
                             const at::Tensor& slack);

// With more elements than this (128 KiB) the answers of a joint system are a sparse tensor: almost all are 0,
// and a product with the others would be most of the work of a solve.
inline constexpr std::int64_t kMostDenseAnswers = std::int64_t{1} << 14;

// The right side of q responses that are solved together.
struct JointConstraints {
  at::Tensor K;  // [F, n] float64: every key that one of them is held to
  at::Tensor Y;  // [n, q] float64: column g answers y_g at its own keys and 0 at those of the others;
                 // sparse if large
  at::Tensor slack =
      {};  // [n] float64: the smallest that one of them has at this key; undefined: all are exact
  std::vector<std::int64_t> first;  // [q] the column of K that is the first key of each
  bool contested = false;  // two of them want an answer other than 0 at one key: no choice of responses gives
                           // each of them its own residual there
};

// The columns of K are the keys in the order of `each`, then `protected_key` (undefined: none). Keys of equal
// values are one column.
JointConstraints join_constraints(const std::vector<KeyConstraint>& each,
                                  const at::Tensor& protected_key = {});

// Which of the constraints are equal, keys and answers alike: the number of the group of each one. Groups are
// counted in the order of their first members.
std::vector<std::size_t> group_equal(const std::vector<KeyConstraint>& each);

}  // namespace emend
