#include "model/attention.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "emend/error.h"
#include "model/rotary.h"
#include "model/rows.h"

namespace emend {

RowLayout::RowLayout(const PassInput& input, const ModelConfig& config, const at::TensorOptions& options) {
  rows_ = static_cast<std::int64_t>(input.ids.size());
  std::vector<std::int64_t> positions, row_of_token;
  for (std::int64_t row = 0; row < rows_; ++row) {
    const auto length = static_cast<std::int64_t>(input.ids[row].size());
    const std::int64_t cache_row = input.cache_row.empty() ? row : input.cache_row[row];
    const std::int64_t start = input.cache && cache_row >= 0 ? input.cache->lengths[cache_row] : 0;
    if (start + length > config.max_positions)
      throw Error(ErrorKind::kModel, "a row of " + std::to_string(start + length) +
                                         " tokens is longer than the model's " +
                                         std::to_string(config.max_positions) + " positions");
    first_token_.push_back(tokens_);
    lengths_.push_back(length);
    starts_.push_back(start);
    for (std::int64_t t = 0; t < length; ++t) {
      positions.push_back(start + t);
      row_of_token.push_back(row);
    }
    tokens_ += length;
    width_ = std::max(width_, length);
  }
  for (std::int64_t length : lengths_) even_ = even_ && length == width_;
  positions_ = index_tensor(positions, options.device());
  if (!input.cache_row.empty()) {
    std::vector<std::int64_t> rows = input.cache_row;
    for (auto& row : rows) row = std::max<std::int64_t>(row, 0);  // a row without a prefix: masked out
    cache_rows_ = index_tensor(rows, options.device());
  }
  row_of_token_ = index_tensor(row_of_token, options.device());
  if (!even_) {
    std::vector<std::int64_t> pad, unpad;
    for (std::int64_t row = 0; row < rows_; ++row)
      for (std::int64_t t = 0; t < width_; ++t) {
        pad.push_back(first_token_[row] + std::min(t, lengths_[row] - 1));
        if (t < lengths_[row]) unpad.push_back(row * width_ + t);
      }
    pad_index_ = index_tensor(pad, options.device());
    unpad_index_ = index_tensor(unpad, options.device());
  }
  build_mask(input, options);
}

at::Tensor RowLayout::pad(const at::Tensor& packed) const {
  auto sizes = packed.sizes().vec();
  sizes[0] = width_;
  sizes.insert(sizes.begin(), rows_);
  return (even_ ? packed : packed.index_select(0, pad_index_)).reshape(sizes);
}

at::Tensor RowLayout::cache_row_of_token() const {
  return cache_rows_.defined() ? cache_rows_.index_select(0, row_of_token_) : row_of_token_;
}

at::Tensor RowLayout::select_cache_rows(const at::Tensor& cached) const {
  return cache_rows_.defined() ? cached.index_select(0, cache_rows_) : cached;
}

at::Tensor RowLayout::unpad(const at::Tensor& padded) const {
  auto sizes = padded.sizes().vec();
  sizes.erase(sizes.begin());
  sizes[0] = rows_ * width_;
  const at::Tensor flat = padded.reshape(sizes);
  return even_ ? flat : flat.index_select(0, unpad_index_);
}

void RowLayout::build_mask(const PassInput& input, const at::TensorOptions& options) {
  // Keys are either the cache's slots 0 .. end (append: the new ones are among them), or prefix slots
  // followed by the new ones.
  std::int64_t prefix = 0;
  if (input.cache && !input.append)
    for (std::int64_t start : starts_) prefix = std::max(prefix, start);
  std::int64_t keys = prefix + width_;
  if (input.append) {
    keys = 0;
    for (std::int64_t row = 0; row < rows_; ++row) keys = std::max(keys, starts_[row] + lengths_[row]);
  }
  at::Tensor mask = at::full({rows_, width_, keys}, -std::numeric_limits<float>::infinity(), at::kFloat);
  float* data = mask.data_ptr<float>();
  for (std::int64_t row = 0; row < rows_; ++row)
    for (std::int64_t t = 0; t < width_; ++t) {
      float* line = data + (row * width_ + t) * keys;
      const std::int64_t last = std::min(t, lengths_[row] - 1);  // pad slots repeat the row's last token
      if (input.append) {
        std::fill(line, line + starts_[row] + last + 1, 0.0f);
      } else {
        std::fill(line, line + starts_[row], 0.0f);
        std::fill(line + prefix, line + prefix + last + 1, 0.0f);
      }
    }
  mask_ = mask.unsqueeze(1).to(options.device());

  for (const Knockout& cut : input.knockouts) {
    const auto row =
        std::upper_bound(first_token_.begin(), first_token_.end(), cut.token) - first_token_.begin() - 1;
    const std::int64_t slot =
        input.append || cut.position < starts_[row] ? cut.position : prefix + cut.position - starts_[row];
    cuts_.push_back({cut.begin_block, cut.end_block, row, cut.token - first_token_[row], slot});
  }
}

at::Tensor RowLayout::mask(int block) const {
  std::vector<std::int64_t> rows, queries, keys;
  for (const Cut& cut : cuts_)
    if (block >= cut.begin && block < cut.end) {
      rows.push_back(cut.row);
      queries.push_back(cut.query);
      keys.push_back(cut.key);
    }
  if (rows.empty()) return mask_;
  at::Tensor cut_mask = mask_.clone();
  const auto options = mask_.options();
  cut_mask.squeeze(1).index_put_(
      {index_tensor(rows, options.device()), index_tensor(queries, options.device()),
       index_tensor(keys, options.device())},
      at::full({}, -std::numeric_limits<float>::infinity(), options));
  return cut_mask;
}

namespace {

// Keys or values that the rows see, [R, K, keys, h]: appended to the cache,
// or prefix and new ones side by side.
at::Tensor visible(const at::Tensor& fresh, const at::Tensor& cached, const RowLayout& layout,
                   const PassInput& input, std::int64_t key_count) {
  if (!input.cache) return layout.pad(fresh).transpose(1, 2);
  if (input.append) {
    // The cache is plain storage outside the graph: a pass that appends takes no gradients.
    at::Tensor storage = cached;
    storage.index_put_({layout.cache_row_of_token(), at::indexing::Slice(), layout.positions()},
                       fresh.detach());
    return layout.select_cache_rows(storage.narrow(2, 0, key_count));
  }
  const at::Tensor prefix = layout.select_cache_rows(cached.narrow(2, 0, key_count - layout.width()));
  return at::cat({prefix, layout.pad(fresh).transpose(1, 2)}, 2);
}

}  // namespace

at::Tensor attention(const at::Tensor& x, const BlockWeights& weights, const ModelConfig& config, int block,
                     const RowLayout& layout, const at::Tensor& cos, const at::Tensor& sin,
                     const PassInput& input) {
  const std::int64_t n = x.size(0), heads = config.heads, kv_heads = config.kv_heads, h = config.head_dim;
  const std::int64_t group = heads / kv_heads, rows = layout.rows(), width = layout.width();

  const at::Tensor qkv = at::linear(x, weights.qkv, weights.qkv_bias).view({n, heads + 2 * kv_heads, h});
  at::Tensor qk = qkv.narrow(1, 0, heads + kv_heads);
  if (config.positions != PositionKind::kLearned) qk = rotate(qk, cos, sin, config.positions);
  const at::Tensor q = qk.narrow(1, 0, heads), k = qk.narrow(1, heads, kv_heads);
  const at::Tensor v = qkv.narrow(1, heads + kv_heads, kv_heads);

  const at::Tensor mask = layout.mask(block);  // [R, 1, T, keys]
  const std::int64_t key_count = mask.size(3);
  const at::Tensor none;
  const at::Tensor keys = visible(k, input.cache ? input.cache->keys(block) : none, layout, input, key_count);
  const at::Tensor values =
      visible(v, input.cache ? input.cache->values(block) : none, layout, input, key_count);

  // The queries that share a key/value head lie side by side: [R, K, group T, h].
  const at::Tensor queries = layout.pad(q)
                                 .view({rows, width, kv_heads, group, h})
                                 .permute({0, 2, 3, 1, 4})
                                 .reshape({rows, kv_heads, group * width, h});
  double scale = 1.0 / std::sqrt(static_cast<double>(h));
  if (config.scale_by_layer) scale /= block + 1;
  const at::Tensor scores = (at::matmul(queries, keys.transpose(2, 3)).to(at::kFloat) * scale)
                                .view({rows, kv_heads, group, width, key_count}) +
                            mask.unsqueeze(1);
  const at::Tensor weight =
      at::softmax(scores, -1).to(x.scalar_type()).view({rows, kv_heads, group * width, key_count});
  const at::Tensor mixed =
      at::matmul(weight, values).view({rows, kv_heads, group, width, h}).permute({0, 3, 1, 2, 4});
  const at::Tensor packed = layout.unpad(mixed.reshape({rows, width, heads * h}));
  return at::linear(packed, weights.attention_out, weights.attention_out_bias);
}

}  // namespace emend
