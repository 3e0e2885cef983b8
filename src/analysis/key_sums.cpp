#include "analysis/key_sums.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "emend/error.h"

namespace emend {

KeySums::KeySums(std::vector<int> layers, std::int64_t d_ff) : layers_(std::move(layers)), d_ff_(d_ff) {
  for (std::size_t i = 0; i < layers_.size(); ++i) sums_.push_back({MomentSum(d_ff), MomentSum(d_ff)});
}

void KeySums::add(std::size_t layer, int which, const at::Tensor& keys, const Whose& whose) {
  for (MomentSum& sum : sums_[layer]) sum.place(keys.device());
  if (half(layer, which).add(keys, scratch_)) return;
  const at::Tensor finite = at::isfinite(keys.to(at::kFloat).square().sum(1)).cpu();
  std::int64_t bad = 0;
  while (bad + 1 < finite.size(0) && finite[bad].item<bool>()) ++bad;
  throw Error(ErrorKind::kNumeric,
              fmt::format("layer {}: a key of {} is NaN or infinite; check the model's weights, set the "
                          "option dtype to float32, or leave that text out",
                          layers_[layer], whose(bad)));
}

void KeySums::merge(const KeySums& other) {
  for (std::size_t i = 0; i < sums_.size(); ++i)
    for (int which = 0; which < kHalves; ++which) half(i, which).merge(other.half(i, which));
}

void KeySums::reduce(ShardGroup& group) {
  for (std::array<MomentSum, kHalves>& halves : sums_)
    for (MomentSum& sum : halves) {
      const at::Device device = sum.device();
      const at::Tensor packed = sum.packed().clone();
      auto count = static_cast<double>(sum.count());
      group.sum_to_first(packed.data_ptr<double>(), packed.numel());
      group.sum_to_first(&count, 1);
      sum = MomentSum::from_packed(d_ff_, static_cast<std::int64_t>(count), packed);
      sum.place(device);
    }
}

std::int64_t KeySums::bytes_a_layer(std::int64_t d_ff) {
  return kHalves * MomentSum::packed_elements(d_ff) * static_cast<std::int64_t>(sizeof(double));
}

}  // namespace emend
