// The forward pass once more, as plain as can be: one row, float64, a head at a time. What the real one is
// compared with.
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <vector>

#include "emend/model.h"
#include "support/tiny_models.h"

namespace emend::test {

class PlainModel {
 public:
  explicit PlainModel(const Model& model) : c_(model.config()), w_(model.weights()) {}

  // Logits at every token of the row [T, V], float64. `added` [T, D] to the values of `block`'s down
  // projection; undefined: nothing.
  at::Tensor logits(const TokenIds& ids, int block = -1, const at::Tensor& added = {}) const {
    const auto length = static_cast<std::int64_t>(ids.size());
    at::Tensor x = wide(w_.token_embedding).index_select(0, index_of(ids)) * c_.embedding_multiplier;
    if (c_.learned_positions) x = x + wide(w_.position_embedding).narrow(0, c_.position_offset, length);
    for (int l = 0; l < c_.layers; ++l) x = block_output(x, l, l == block ? added : at::Tensor());
    const at::Tensor seen = norm(x, w_.final_norm, w_.final_norm_bias, c_.block);
    return capped(linear(seen, w_.head, w_.head_bias) * c_.logit_multiplier, c_.logit_soft_cap);
  }

 private:
  static at::Tensor wide(const at::Tensor& t) { return t.defined() ? t.to(at::kDouble) : t; }
  static at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
    const at::Tensor y = at::matmul(x, wide(weight).t());
    return bias.defined() ? y + wide(bias) : y;
  }
  static at::Tensor capped(const at::Tensor& x, double cap) { return cap > 0 ? cap * at::tanh(x / cap) : x; }
  static at::Tensor norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                         const BlockSpec& spec) {
    const at::Tensor centred = spec.norm == NormKind::kLayerNorm ? x - x.mean(-1, true) : x;
    const at::Tensor size = (centred.square().mean(-1, true) + spec.norm_eps).sqrt();
    const at::Tensor y = centred / size * wide(weight);
    return bias.defined() ? y + wide(bias) : y;
  }
  static at::Tensor activated(const at::Tensor& x, ActivationKind kind) {
    switch (kind) {
      case ActivationKind::kGelu:
        return 0.5 * x * (1 + at::erf(x / std::sqrt(2.0)));
      case ActivationKind::kGeluTanh:
        return 0.5 * x * (1 + at::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x.pow(3))));
      case ActivationKind::kSilu:
        return x * at::sigmoid(x);
      case ActivationKind::kRelu:
        return at::clamp_min(x, 0);
      case ActivationKind::kQuickGelu:
        return x * at::sigmoid(1.702 * x);
      case ActivationKind::kTanh:
        return at::tanh(x);
    }
    return x;
  }

  // One head's vectors [T, h] turned, number by number.
  at::Tensor turned(const at::Tensor& x, const BlockSpec& spec) const {
    if (c_.rotary.empty() || spec.rotary == kNoRotary) return x;
    const RotaryTable& table = c_.rotary[static_cast<std::size_t>(spec.rotary)];
    const auto pairs = static_cast<std::int64_t>(table.frequencies.size());
    at::Tensor y = x.clone();
    for (std::int64_t p = 0; p < x.size(0); ++p)
      for (std::int64_t i = 0; i < pairs; ++i) {
        const bool halves = table.pairs == RotaryPairs::kHalfSplit;
        const std::int64_t a = halves ? i : 2 * i, b = halves ? i + pairs : 2 * i + 1;
        const double angle = static_cast<double>(p) * table.frequencies[static_cast<std::size_t>(i)];
        const double u = x[p][a].item<double>(), v = x[p][b].item<double>();
        y[p][a] = table.amplitude * (u * std::cos(angle) - v * std::sin(angle));
        y[p][b] = table.amplitude * (v * std::cos(angle) + u * std::sin(angle));
      }
    return y;
  }

  // Queries or keys [T, heads h] behind their norm.
  at::Tensor normal_heads(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                          const BlockSpec& spec) const {
    if (spec.qk_norm == QkNorm::kNone) return x;
    if (spec.qk_norm == QkNorm::kFullWidth) return norm(x, weight, bias, spec);
    return norm(x.unflatten(1, {-1, c_.head_dim}), weight, bias, spec).flatten(1);
  }

  double slope(std::int64_t head) const {  // for 2^n heads
    return std::pow(2.0, -8.0 * static_cast<double>(head + 1) / static_cast<double>(c_.heads));
  }

  at::Tensor mixed_head(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, std::int64_t head,
                        int l) const {
    const BlockSpec& spec = c_.spec(l);
    double scale =
        spec.attention_scale > 0 ? spec.attention_scale : 1 / std::sqrt(static_cast<double>(c_.head_dim));
    if (spec.scale_by_layer) scale /= l + 1;
    at::Tensor scores = capped(at::matmul(q, k.t()) * scale, spec.attention_soft_cap);
    for (std::int64_t i = 0; i < q.size(0); ++i)
      for (std::int64_t j = 0; j < q.size(0); ++j) {
        const bool seen = j <= i && (spec.window == 0 || i - j < spec.window);
        if (!seen)
          scores[i][j] = -std::numeric_limits<double>::infinity();
        else if (spec.alibi)
          scores[i][j] += scale * slope(head) * static_cast<double>(j);
      }
    return at::matmul(at::softmax(scores, 1), v);
  }

  at::Tensor attention(const at::Tensor& x, int l) const {
    const BlockWeights& b = w_.blocks[static_cast<std::size_t>(l)];
    const BlockSpec& spec = c_.spec(l);
    const std::int64_t h = c_.head_dim, group = c_.heads / c_.kv_heads;
    const auto parts =
        linear(x, b.qkv, b.qkv_bias).split_with_sizes({c_.heads * h, c_.kv_heads * h, c_.kv_heads * h}, 1);
    const at::Tensor q = normal_heads(parts[0], b.query_norm, b.query_norm_bias, spec),
                     k = normal_heads(parts[1], b.key_norm, b.key_norm_bias, spec);
    std::vector<at::Tensor> heads;
    for (std::int64_t head = 0; head < c_.heads; ++head) {
      const std::int64_t shared = head / group;
      heads.push_back(mixed_head(turned(q.narrow(1, head * h, h), spec),
                                 turned(k.narrow(1, shared * h, h), spec), parts[2].narrow(1, shared * h, h),
                                 head, l));
    }
    return linear(at::cat(heads, 1), b.attention_out, b.attention_out_bias);
  }

  at::Tensor mlp(const at::Tensor& x, int l) const {
    const BlockWeights& b = w_.blocks[static_cast<std::size_t>(l)];
    const BlockSpec& spec = c_.spec(l);
    const at::Tensor inner = linear(x, b.mlp_in, b.mlp_in_bias);
    const at::Tensor key = spec.gated_mlp ? activated(inner.narrow(1, 0, c_.d_ff), spec.activation) *
                                                inner.narrow(1, c_.d_ff, c_.d_ff)
                                          : activated(inner, spec.activation);
    return linear(key, b.mlp_down, b.mlp_down_bias);
  }

  at::Tensor block_output(const at::Tensor& x, int l, const at::Tensor& added) const {
    const BlockWeights& b = w_.blocks[static_cast<std::size_t>(l)];
    const BlockSpec& s = c_.spec(l);
    const auto maybe = [&](bool wanted, const at::Tensor& y, const at::Tensor& weight,
                           const at::Tensor& bias) { return wanted ? norm(y, weight, bias, s) : y; };
    const at::Tensor read = maybe(s.attention_norm, x, b.attention_norm, b.attention_norm_bias);
    const at::Tensor mixed =
        maybe(s.attention_post_norm, attention(read, l), b.attention_post_norm, b.attention_post_norm_bias);
    const at::Tensor between = x + s.residual_multiplier * mixed;
    const at::Tensor mlp_read = s.mlp_norm   ? norm(s.parallel ? x : between, b.mlp_norm, b.mlp_norm_bias, s)
                                : s.parallel ? read
                                             : between;
    at::Tensor value = mlp(mlp_read, l);
    if (added.defined()) value = value + wide(added);
    return between +
           s.residual_multiplier * maybe(s.mlp_post_norm, value, b.mlp_post_norm, b.mlp_post_norm_bias);
  }

  const ModelConfig& c_;
  const ModelWeights& w_;
};

}  // namespace emend::test
