#include "model/attention.h"

#include <ATen/ATen.h>

#include "model/attend.h"
#include "model/attention_gradient.h"
#include "model/layers.h"
#include "model/project.h"
#include "model/rotary.h"

namespace emend {

namespace {

// Keys or values that the rows see, [R, K, keys, h]: appended to the cache,
// or prefix and new ones side by side.
at::Tensor visible(const at::Tensor& fresh, const at::Tensor& cached, const RowLayout& layout,
                   const PassInput& input) {
  if (!input.cache || layout.from_start()) return layout.pad(fresh).transpose(1, 2);
  if (input.append) return layout.select_cache_rows(cached.narrow(2, 0, layout.keys()));
  const at::Tensor prefix = layout.select_cache_rows(cached.narrow(2, 0, layout.keys() - layout.width()));
  return at::cat({prefix, layout.pad(fresh).transpose(1, 2)}, 2);
}

// softmax(cap(q k^T s) + mask) v for queries [R, K, group T, h] that share a key/value head: [R, K, group T,
// h].
at::Tensor mix(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values,
               const ScoreRule& rule, int block, const RowLayout& layout) {
  if (queries.is_cuda() && (queries.requires_grad() || rule.soft_cap > 0))
    return attend_with_gradient(queries, keys, values, rule, layout.group_mask(block, rule.window));
  if (queries.is_cuda())  // bound by the number of kernels: one does it all
    return at::scaled_dot_product_attention(queries, keys, values, layout.group_mask(block, rule.window), 0.0,
                                            false, rule.scale);
  const std::int64_t rows = queries.size(0), kv_heads = queries.size(1), width = layout.width();
  const at::Tensor scores = (at::matmul(queries, keys.transpose(2, 3)).to(at::kFloat) * rule.scale)
                                .view({rows, kv_heads, queries.size(2) / width, width, layout.keys()});
  return attend(scores, layout.head_mask(block, rule.window), values, rule.soft_cap);
}

// Queries and keys [n, H + K, h] behind their norms.
at::Tensor normal_heads(const at::Tensor& qk, const BlockWeights& weights, const ModelConfig& config,
                        const BlockSpec& spec) {
  if (spec.qk_norm == QkNorm::kNone) return qk;
  const auto parts = qk.split_with_sizes({config.heads, config.kv_heads}, 1);
  const auto normal = [&](const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
    if (spec.qk_norm == QkNorm::kPerHead) return normalise(x, weight, bias, spec);
    if (spec.qk_norm == QkNorm::kEachHead)
      return normalise(x, at::ones({x.size(2)}, x.options()), bias, spec) * weight;
    return normalise(x.flatten(1), weight, bias, spec).view(x.sizes());
  };
  return at::cat({normal(parts[0], weights.query_norm, weights.query_norm_bias),
                  normal(parts[1], weights.key_norm, weights.key_norm_bias)},
                 1);
}

}  // namespace

at::Tensor attention(const at::Tensor& x, const BlockWeights& weights, const ModelConfig& config, int block,
                     const RowLayout& layout, const PassInput& input, const at::Tensor& only,
                     Gradients gradients) {
  const std::int64_t n = x.size(0), heads = config.heads, kv_heads = config.kv_heads, h = config.head_dim;
  const std::int64_t group = heads / kv_heads, rows = layout.rows(), width = layout.width();
  const BlockSpec& spec = config.spec(block);

  const at::Tensor qkv =
      project(x, weights, &BlockWeights::qkv, &BlockWeights::qkv_bias).view({n, heads + 2 * kv_heads, h});
  const auto parts = qkv.split_with_sizes({heads + kv_heads, kv_heads}, 1);
  const at::Tensor normal = normal_heads(parts[0], weights, config, spec);
  const Rotation* rotation = layout.rotation(spec.rotary);
  const at::Tensor moved = rotation ? rotate(normal, *rotation) : normal;
  const at::Tensor turned = gradients == Gradients::kHeld ? moved.detach() : moved;
  const auto queries_and_keys = turned.split_with_sizes({heads, kv_heads}, 1);

  if (input.append) {  // the cache is plain storage outside the graph: a pass that appends takes no gradients
    layout.store(queries_and_keys[1].detach(), input.cache->keys(block));
    layout.store(parts[1].detach(), input.cache->values(block));
  }
  const ScoreRule rule = score_rule(config, block);
  const auto projected = [&](const at::Tensor& mixed) {
    return project(only.defined() ? mixed.index_select(0, only) : mixed, weights,
                   &BlockWeights::attention_out, &BlockWeights::attention_out_bias);
  };
  if (const RowBuckets* buckets = layout.buckets())
    return projected(buckets->attend(RowBuckets::takes_own_qk(config) ? turned : qkv, qkv, rule));

  const at::Tensor none;
  const at::Tensor keys =
      visible(queries_and_keys[1], input.cache ? input.cache->keys(block) : none, layout, input);
  const at::Tensor values = visible(parts[1], input.cache ? input.cache->values(block) : none, layout, input);

  // The queries that share a key/value head lie side by side: [R, K, group T, h].
  const at::Tensor queries = layout.pad(queries_and_keys[0])
                                 .view({rows, width, kv_heads, group, h})
                                 .permute({0, 2, 3, 1, 4})
                                 .reshape({rows, kv_heads, group * width, h});
  const at::Tensor mixed = mix(queries, keys, values, rule, block, layout)
                               .reshape({rows, kv_heads, group, width, h})
                               .permute({0, 3, 1, 2, 4});
  return projected(layout.unpad(mixed.reshape({rows, width, heads * h})));
}

HeadReads head_reads(const at::Tensor& x, const BlockWeights& weights, const ModelConfig& config, int block,
                     const RowLayout& layout, const at::Tensor& queries) {
  const std::int64_t n = x.size(0), heads = config.heads, kv_heads = config.kv_heads, h = config.head_dim;
  const BlockSpec& spec = config.spec(block);
  const at::Tensor qkv =
      project(x, weights, &BlockWeights::qkv, &BlockWeights::qkv_bias).view({n, heads + 2 * kv_heads, h});
  const auto parts = qkv.split_with_sizes({heads + kv_heads, kv_heads}, 1);
  const at::Tensor normal = normal_heads(parts[0], weights, config, spec);
  const Rotation* rotation = layout.rotation(spec.rotary);
  const auto queries_and_keys =
      (rotation ? rotate(normal, *rotation) : normal).split_with_sizes({heads, kv_heads}, 1);
  const ScoreRule rule = score_rule(config, block);
  const at::Tensor asked =
      queries_and_keys[0].index_select(0, queries).view({-1, kv_heads, heads / kv_heads, h});
  const at::Tensor scores =
      at::einsum("qkgh,tkh->kgqt", {asked, queries_and_keys[1]}).to(at::kFloat) * rule.scale;
  const at::Tensor mask = layout.head_mask(block, rule.window)[0].index_select(2, queries);
  return {attention_weights(scores, mask, rule.soft_cap).reshape({heads, -1, n}), parts[1]};
}

}  // namespace emend
