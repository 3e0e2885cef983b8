#include "model/row_buckets.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <map>

#include "model/rows.h"

namespace emend {

namespace {

constexpr std::int64_t kStep = 16;  // widths are its multiples

// 0 on and below the diagonal, -inf above, once for each query head that shares a key: [1, group width,
// width].
at::Tensor causal_mask(std::int64_t group, std::int64_t width) {
  return at::full({width, width}, -std::numeric_limits<float>::infinity(), at::kFloat)
      .triu(1)
      .repeat({group, 1})
      .unsqueeze(0);
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
  std::map<std::int64_t, std::vector<std::size_t>> by_width;
  for (std::size_t row = 0; row < token_of.size(); ++row)
    by_width[(static_cast<std::int64_t>(token_of[row].size()) + kStep - 1) / kStep * kStep].push_back(row);
  std::vector<std::int64_t> result(static_cast<std::size_t>(tokens * heads_), -1);
  std::int64_t before = 0;  // vectors of earlier buckets
  for (const auto& [width, rows] : by_width) {
    std::vector<std::int64_t> slots;
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const std::vector<std::int64_t>& line = token_of[rows[r]];
      const auto length = static_cast<std::int64_t>(line.size());
      for (std::int64_t t = 0; t < width; ++t)
        slots.push_back(line[static_cast<std::size_t>(std::min(t, length - 1))]);
      for (std::int64_t t = 0; t < length; ++t)
        for (std::int64_t head = 0; head < heads_; ++head)
          result[static_cast<std::size_t>(line[static_cast<std::size_t>(t)] * heads_ + head)] =
              before + (static_cast<std::int64_t>(r) * heads_ + head) * width + t;
    }
    const auto count = static_cast<std::int64_t>(rows.size());
    before += count * heads_ * width;
    const at::Tensor slot = index_tensor(slots, device).view({count, 1, width});
    const std::int64_t all = heads_ + 2 * kv_heads_, before_values = heads_ + kv_heads_;
    const std::int64_t in_qk = config.positions == PositionKind::kLearned ? all : before_values;
    buckets_.push_back({count, width, head_vectors(slot, in_qk, 0, heads_),
                        head_vectors(slot, in_qk, heads_, kv_heads_),
                        head_vectors(slot, all, before_values, kv_heads_),
                        causal_mask(heads_ / kv_heads_, width).to(device)});
  }
  results_ = index_tensor(result, device);
}

RowBuckets RowBuckets::on(const at::Device& device) const {
  RowBuckets moved = *this;
  moved.results_ = results_.to(device);
  for (Bucket& bucket : moved.buckets_)
    for (at::Tensor* t : {&bucket.queries, &bucket.keys, &bucket.values, &bucket.mask}) *t = t->to(device);
  return moved;
}

at::Tensor RowBuckets::attend(const at::Tensor& qk, const at::Tensor& qkv, double scale) const {
  const at::Tensor from = qk.reshape({-1, head_dim_}), values_from = qkv.reshape({-1, head_dim_});
  std::vector<at::Tensor> mixed;
  for (const Bucket& bucket : buckets_) {
    // The query heads that share a key/value head lie side by side: [rows K, group width, h].
    const std::int64_t rows = bucket.rows * kv_heads_;
    const at::Tensor queries =
        from.index_select(0, bucket.queries).view({rows, heads_ / kv_heads_ * bucket.width, head_dim_});
    const at::Tensor keys =
        from.index_select(0, bucket.keys).view({rows, bucket.width, head_dim_}).transpose(1, 2);
    const at::Tensor values =
        values_from.index_select(0, bucket.values).view({rows, bucket.width, head_dim_});
    const at::Tensor scores = queries.scalar_type() == at::kFloat
                                  ? at::baddbmm(bucket.mask, queries, keys, 1, scale)
                                  : at::bmm(queries, keys).to(at::kFloat) * scale + bucket.mask;
    mixed.push_back(at::bmm(at::softmax(scores, -1).to(values.scalar_type()), values).view({-1, head_dim_}));
  }
  const at::Tensor all = mixed.size() == 1 ? mixed.front() : at::cat(mixed, 0);
  return all.index_select(0, results_).view({tokens_, heads_ * head_dim_});
}

}  // namespace emend
