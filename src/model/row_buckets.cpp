#include "model/row_buckets.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "model/rows.h"

namespace emend {

namespace {

constexpr std::int64_t kKeyStep = 16, kQueryStep = 4;  // slots come in multiples of these

// A row of a bucket: its tokens, and the first of them that no earlier row holds.
struct Line {
  const std::vector<std::int64_t>* tokens;
  std::int64_t begin;

  std::int64_t length() const { return static_cast<std::int64_t>(tokens->size()); }
  // The token in this slot; slots behind the end repeat the last one.
  std::int64_t at(std::int64_t slot) const {
    return (*tokens)[static_cast<std::size_t>(std::min(slot, length() - 1))];
  }
};

std::int64_t rounded_up(std::int64_t count, std::int64_t step) {
  return (count + step - 1) / step * step;
}

// Rows by their slots for keys and for queries. A row without a token of its own has no queries, and one that
// shares little asks everything: then one mask does for all.
std::map<std::pair<std::int64_t, std::int64_t>, std::vector<Line>> by_slots(
    const std::vector<std::vector<std::int64_t>>& token_of) {
  std::map<std::pair<std::int64_t, std::int64_t>, std::vector<Line>> buckets;
  std::int64_t met = 0;  // tokens are numbered as rows meet them
  for (const auto& row : token_of) {
    const auto own = std::lower_bound(row.begin(), row.end(), met);
    if (own == row.end()) continue;
    met = row.back() + 1;
    const auto length = static_cast<std::int64_t>(row.size());
    const std::int64_t width = rounded_up(length, kKeyStep), asking = rounded_up(row.end() - own, kQueryStep);
    if (2 * asking <= width)
      buckets[{width, asking}].push_back({&row, own - row.begin()});
    else
      buckets[{width, width}].push_back({&row, 0});
  }
  return buckets;
}

// The rows of a bucket, for their masks.
struct BucketShape {
  std::vector<std::int64_t> begins;  // first slot that asks, of each line; one of them where all are alike
  std::int64_t asking, width;
};

// 0 where the query of a slot sees a key, -inf elsewhere: [lines, group asking, width].
at::Tensor causal_mask(const BucketShape& shape, std::int64_t group, std::int64_t window) {
  const at::Tensor query = index_tensor(shape.begins, at::kCPU).view({-1, 1, 1}) +
                           at::arange(shape.asking, at::kLong).view({1, -1, 1}),
                   key = at::arange(shape.width, at::kLong).view({1, 1, -1});
  at::Tensor hidden = key > query;
  if (window > 0) hidden = hidden.logical_or(key <= query - window);
  return at::zeros({static_cast<std::int64_t>(shape.begins.size()), shape.asking, shape.width}, at::kFloat)
      .masked_fill_(hidden, -std::numeric_limits<float>::infinity())
      .repeat({1, group, 1});
}

// The mask of a bucket of `count` rows for blocks with this window.
at::Tensor bucket_mask(const BucketShape& shape, std::int64_t count, const ModelConfig& c,
                       std::int64_t window) {
  const std::int64_t group = c.heads / c.kv_heads;
  if (c.block.alibi) {
    const at::Tensor terms =  // [K, group, 1, width]
        alibi_terms(at::arange(shape.width, at::kLong), c.heads, score_rule(c, 0).scale)
            .t()
            .reshape({c.kv_heads, group, 1, shape.width});
    const at::Tensor plain = causal_mask(shape, 1, window).unsqueeze(1).unsqueeze(1);  // [lines, 1, 1, ..]
    return (plain + terms)
        .expand({count, c.kv_heads, group, shape.asking, shape.width})
        .reshape({count * c.kv_heads, group * shape.asking, shape.width});
  }
  const at::Tensor mask = causal_mask(shape, group, window);
  return shape.asking == shape.width ? mask : mask.repeat_interleave(c.kv_heads, 0);
}

// The masks of a bucket by window. A window that no row is longer than hides nothing more.
std::map<std::int64_t, at::Tensor> bucket_masks(const BucketShape& shape, std::int64_t count,
                                                const ModelConfig& c, const at::Device& device) {
  std::map<std::int64_t, at::Tensor> masks;
  const at::Tensor all = bucket_mask(shape, count, c, 0).to(device);
  for (const std::int64_t window : windows_of(c))
    masks[window] =
        window == 0 || window >= shape.width ? all : bucket_mask(shape, count, c, window).to(device);
  return masks;
}

// Places of the vectors of `heads` heads from `first` on, where each token has `all` of them: [rows heads
// width].
at::Tensor head_vectors(const at::Tensor& slots, std::int64_t all, std::int64_t first, std::int64_t heads) {
  return (slots * all + at::arange(first, first + heads, slots.options()).view({1, heads, 1})).flatten();
}

}  // namespace

RowBuckets::RowBuckets(const std::vector<std::vector<std::int64_t>>& token_of, std::int64_t tokens,
                       const ModelConfig& config, const at::Device& device)
    : tokens_(tokens), heads_(config.heads), kv_heads_(config.kv_heads), head_dim_(config.head_dim) {
  std::vector<std::int64_t> result(static_cast<std::size_t>(tokens * heads_), -1);
  std::int64_t before = 0;  // vectors of earlier buckets
  for (const auto& [size, lines] : by_slots(token_of)) {
    const auto [width, asking] = size;
    std::vector<std::int64_t> key_slots, query_slots, begins;
    for (std::size_t r = 0; r < lines.size(); ++r) {
      const Line& line = lines[r];
      begins.push_back(line.begin);
      for (std::int64_t t = 0; t < width; ++t) key_slots.push_back(line.at(t));
      for (std::int64_t t = 0; t < asking; ++t) query_slots.push_back(line.at(line.begin + t));
      for (std::int64_t t = line.begin; t < line.length(); ++t)
        for (std::int64_t head = 0; head < heads_; ++head)
          result[static_cast<std::size_t>(line.at(t) * heads_ + head)] =
              before + (static_cast<std::int64_t>(r) * heads_ + head) * asking + t - line.begin;
    }
    const auto count = static_cast<std::int64_t>(lines.size());
    before += count * heads_ * asking;
    const at::Tensor key = index_tensor(key_slots, device).view({count, 1, width}),
                     query = index_tensor(query_slots, device).view({count, 1, asking});
    const std::int64_t all = heads_ + 2 * kv_heads_, before_values = heads_ + kv_heads_;
    const std::int64_t in_qk = takes_own_qk(config) ? before_values : all;
    if (asking == width) begins = {0};
    buckets_.push_back({count, asking, width, head_vectors(query, in_qk, 0, heads_),
                        head_vectors(key, in_qk, heads_, kv_heads_),
                        head_vectors(key, all, before_values, kv_heads_),
                        bucket_masks({begins, asking, width}, count, config, device)});
  }
  results_ = index_tensor(result, device);
}

bool RowBuckets::takes_own_qk(const ModelConfig& config) {
  if (!config.rotary.empty() || config.block.qk_norm != QkNorm::kNone) return true;
  return std::any_of(config.blocks.begin(), config.blocks.end(),
                     [](const BlockSpec& spec) { return spec.qk_norm != QkNorm::kNone; });
}

RowBuckets RowBuckets::on(const at::Device& device) const {
  RowBuckets moved = *this;
  moved.results_ = results_.to(device);
  for (Bucket& bucket : moved.buckets_) {
    for (at::Tensor* t : {&bucket.queries, &bucket.keys, &bucket.values}) *t = t->to(device);
    for (auto& [window, mask] : bucket.masks) mask = mask.to(device);
  }
  return moved;
}

at::Tensor RowBuckets::attend(const at::Tensor& qk, const at::Tensor& qkv, const ScoreRule& rule) const {
  const at::Tensor from = qk.reshape({-1, head_dim_}), values_from = qkv.reshape({-1, head_dim_});
  std::vector<at::Tensor> mixed;
  for (const Bucket& bucket : buckets_) {
    // The query heads that share a key/value head lie side by side: [rows K, group asking, h].
    const std::int64_t rows = bucket.rows * kv_heads_;
    const at::Tensor queries =
        from.index_select(0, bucket.queries).view({rows, heads_ / kv_heads_ * bucket.asking, head_dim_});
    const at::Tensor keys =
        from.index_select(0, bucket.keys).view({rows, bucket.width, head_dim_}).transpose(1, 2);
    const at::Tensor values =
        values_from.index_select(0, bucket.values).view({rows, bucket.width, head_dim_});
    const at::Tensor& mask = bucket.masks.at(rule.window);
    const bool in_product = queries.scalar_type() == at::kFloat && rule.soft_cap == 0;
    const at::Tensor scores = in_product ? at::baddbmm(mask, queries, keys, 1, rule.scale)
                                         : at::bmm(queries, keys).to(at::kFloat) * rule.scale;
    mixed.push_back(
        emend::attend(scores, in_product ? at::Tensor() : mask, values, rule.soft_cap).view({-1, head_dim_}));
  }
  const at::Tensor all = mixed.size() == 1 ? mixed.front() : at::cat(mixed, 0);
  return all.index_select(0, results_).view({tokens_, heads_ * head_dim_});
}

}  // namespace emend
