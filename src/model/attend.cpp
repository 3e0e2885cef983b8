#include "model/attend.h"

#include <ATen/ATen.h>

#include <bit>
#include <cmath>
#include <set>
#include <vector>

#include "model/layers.h"

namespace emend {

ScoreRule score_rule(const ModelConfig& config, int block) {
  const BlockSpec& spec = config.spec(block);
  ScoreRule rule;
  rule.scale =
      spec.attention_scale > 0 ? spec.attention_scale : 1.0 / std::sqrt(static_cast<double>(config.head_dim));
  if (spec.scale_by_layer) rule.scale /= block + 1;
  rule.soft_cap = spec.attention_soft_cap;
  rule.window = spec.window;
  return rule;
}

std::vector<std::int64_t> windows_of(const ModelConfig& config) {
  std::set<std::int64_t> windows;
  for (int l = 0; l < config.layers; ++l) windows.insert(config.spec(l).window);
  return {windows.begin(), windows.end()};
}

at::Tensor attention_weights(const at::Tensor& scores, const at::Tensor& mask, double soft_cap) {
  const at::Tensor capped = soft_capped(scores, soft_cap);
  return at::softmax(mask.defined() ? capped + mask : capped, -1);
}

at::Tensor attend(const at::Tensor& scores, const at::Tensor& mask, const at::Tensor& values,
                  double soft_cap) {
  const at::Tensor weights = attention_weights(scores, mask, soft_cap).to(values.scalar_type());
  if (weights.dim() == 3 && values.dim() == 3)
    return at::bmm(weights, values);  // matmul only finds the way here
  std::vector<std::int64_t> sizes = values.sizes().vec();
  sizes[sizes.size() - 2] = -1;
  sizes.back() = weights.size(-1);
  return at::matmul(weights.view(sizes), values);
}

at::Tensor alibi_slopes(std::int64_t heads) {
  const auto power = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(heads)));
  const auto base_of = [](std::int64_t count) { return std::exp2(-8.0 / static_cast<double>(count)); };
  std::vector<double> slopes;
  for (std::int64_t i = 1; i <= power; ++i)
    slopes.push_back(std::pow(base_of(power), static_cast<double>(i)));
  for (std::int64_t i = 1; static_cast<std::int64_t>(slopes.size()) < heads; i += 2)
    slopes.push_back(std::pow(base_of(2 * power), static_cast<double>(i)));
  return at::tensor(slopes, at::kDouble).to(at::kFloat).to(at::kBFloat16);
}

at::Tensor alibi_terms(const at::Tensor& key_positions, std::int64_t heads, double scale) {
  const at::Tensor slopes = alibi_slopes(heads).to(key_positions.device());
  return (key_positions.unsqueeze(-1).to(at::kBFloat16) * slopes).to(at::kFloat) * scale;
}

}  // namespace emend
