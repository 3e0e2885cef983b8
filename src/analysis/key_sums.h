// The sums of k k^T of several layers over the two halves of a text.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "analysis/text_blocks.h"
#include "emend/text_run.h"
#include "linalg/moment_sum.h"

namespace emend {

class KeySums {
 public:
  static constexpr int kHalves = kTextHalves;
  // Names the text of the i-th key of a portion, for the message about a key that is not finite.
  using Whose = std::function<std::string(std::int64_t key)>;

  KeySums(std::vector<int> layers, std::int64_t d_ff);

  const std::vector<int>& layers() const { return layers_; }
  std::int64_t d_ff() const { return d_ff_; }
  // Keys summed so far, the same for every layer.
  std::int64_t count() const { return half(0, 0).count() + half(0, 1).count(); }

  // keys [n, F] of layers()[layer], summed as one portion. Throws Error(kNumeric), which names layer and
  // text, if a key is NaN or infinite.
  void add(std::size_t layer, int half, const at::Tensor& keys, const Whose& whose);
  void merge(const KeySums& other);
  // Adds the sums of all processes into those of rank 0.
  void reduce(ShardGroup& group);

  const MomentSum& half(std::size_t layer, int which) const {
    return sums_[layer][static_cast<std::size_t>(which)];
  }
  MomentSum& half(std::size_t layer, int which) { return sums_[layer][static_cast<std::size_t>(which)]; }

  // float64 bytes that a layer takes.
  static std::int64_t bytes_a_layer(std::int64_t d_ff);

 private:
  std::vector<int> layers_;
  std::int64_t d_ff_;
  std::vector<std::array<MomentSum, kHalves>> sums_;
  at::Tensor scratch_;  // of MomentSum::add
};

}  // namespace emend
