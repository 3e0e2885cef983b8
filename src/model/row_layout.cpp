#include "model/row_layout.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "emend/error.h"
#include "model/rotary.h"
#include "model/rows.h"

namespace emend {

namespace {

constexpr std::int64_t kAligned = 16;
constexpr float kHidden = -std::numeric_limits<float>::infinity();

// Row i continues cache row i, and the cache has no others: it is read in place, without a copy.
bool is_whole_cache(const std::vector<std::int64_t>& cache_row, const KvCache* cache) {
  if (!cache || static_cast<std::int64_t>(cache_row.size()) != cache->rows()) return false;
  for (std::size_t i = 0; i < cache_row.size(); ++i)
    if (cache_row[i] != static_cast<std::int64_t>(i)) return false;
  return true;
}

}  // namespace

RowLayout::RowLayout(const PassInput& input, const ModelConfig& config, const at::TensorOptions& options)
    : rows_(static_cast<std::int64_t>(input.ids.size())),
      group_(config.heads / config.kv_heads),
      dtype_(at::typeMetaToScalarType(options.dtype())) {
  const at::Device device = options.device();
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
  positions_ = index_tensor(positions, device);
  row_of_token_ = index_tensor(row_of_token, device);
  if (!input.cache_row.empty() && !is_whole_cache(input.cache_row, input.cache)) {
    std::vector<std::int64_t> rows = input.cache_row;
    for (auto& row : rows) row = std::max<std::int64_t>(row, 0);  // a row without a prefix: masked out
    cache_rows_ = index_tensor(rows, device);
  }
  if (!even_) {
    std::vector<std::int64_t> pad, unpad;
    for (std::int64_t row = 0; row < rows_; ++row)
      for (std::int64_t t = 0; t < width_; ++t) {
        pad.push_back(first_token_[row] + std::min(t, lengths_[row] - 1));
        if (t < lengths_[row]) unpad.push_back(row * width_ + t);
      }
    pad_index_ = index_tensor(pad, device);
    unpad_index_ = index_tensor(unpad, device);
  }
  if (config.positions != PositionKind::kLearned)
    std::tie(cos_, sin_) = rotary_table(config, positions_, options);
  build_mask(input, device);
}

at::Tensor RowLayout::pad(const at::Tensor& packed) const {
  auto sizes = packed.sizes().vec();
  sizes[0] = width_;
  sizes.insert(sizes.begin(), rows_);
  return (even_ ? packed : packed.index_select(0, pad_index_)).reshape(sizes);
}

at::Tensor RowLayout::unpad(const at::Tensor& padded) const {
  auto sizes = padded.sizes().vec();
  sizes.erase(sizes.begin());
  sizes[0] = rows_ * width_;
  const at::Tensor flat = padded.reshape(sizes);
  return even_ ? flat : flat.index_select(0, unpad_index_);
}

at::Tensor RowLayout::cache_row_of_token() const {
  return cache_rows_.defined() ? cache_rows_.index_select(0, row_of_token_) : row_of_token_;
}

at::Tensor RowLayout::select_cache_rows(const at::Tensor& cached) const {
  return cache_rows_.defined() ? cached.index_select(0, cache_rows_) : cached;
}

// Keys are either the cache's slots 0 .. end (append: the new ones are among them), or prefix slots followed
// by the new ones.
void RowLayout::build_mask(const PassInput& input, const at::Device& device) {
  std::int64_t prefix = 0;
  if (input.cache && !input.append)
    for (std::int64_t start : starts_) prefix = std::max(prefix, start);
  // The fused kernel of a GPU wants a multiple of 16 keys, or copies the mask at every call.
  if (device.is_cuda() && prefix > 0 && input.cache->capacity() >= prefix + kAligned)
    prefix += (kAligned - (prefix + width_) % kAligned) % kAligned;
  keys_ = prefix + width_;
  if (input.append) {
    keys_ = 0;
    for (std::int64_t row = 0; row < rows_; ++row) keys_ = std::max(keys_, starts_[row] + lengths_[row]);
  }
  const at::Tensor mask = at::full({rows_, 1, width_, keys_}, kHidden, at::kFloat);
  float* data = mask.data_ptr<float>();
  for (std::int64_t row = 0; row < rows_; ++row)
    for (std::int64_t t = 0; t < width_; ++t) {
      float* line = data + (row * width_ + t) * keys_;
      const std::int64_t last = std::min(t, lengths_[row] - 1);  // pad slots repeat the row's last token
      if (input.append) {
        std::fill(line, line + starts_[row] + last + 1, 0.0f);
      } else {
        std::fill(line, line + starts_[row], 0.0f);
        std::fill(line + prefix, line + prefix + last + 1, 0.0f);
      }
    }
  mask_ = to_device(mask, device);
  if (device.is_cuda()) group_mask_ = grouped(mask_);

  for (const Knockout& cut : input.knockouts) {
    const auto row =
        std::upper_bound(first_token_.begin(), first_token_.end(), cut.token) - first_token_.begin() - 1;
    const std::int64_t slot =
        input.append || cut.position < starts_[row] ? cut.position : prefix + cut.position - starts_[row];
    cuts_.push_back({cut.begin_block, cut.end_block, row, cut.token - first_token_[row], slot});
  }
}

std::vector<RowLayout::Cut> RowLayout::cuts_in(int block) const {
  std::vector<Cut> cuts;
  for (const Cut& cut : cuts_)
    if (block >= cut.begin && block < cut.end) cuts.push_back(cut);
  return cuts;
}

at::Tensor RowLayout::cut_mask(const std::vector<Cut>& cuts) const {
  std::vector<std::int64_t> rows, queries, keys;
  for (const Cut& cut : cuts) {
    rows.push_back(cut.row);
    queries.push_back(cut.query);
    keys.push_back(cut.key);
  }
  const at::Device device = mask_.device();
  at::Tensor mask = mask_.clone();
  mask.squeeze(1).index_put_(
      {index_tensor(rows, device), index_tensor(queries, device), index_tensor(keys, device)},
      at::full({}, kHidden, mask_.options()));
  return mask;
}

at::Tensor RowLayout::grouped(const at::Tensor& mask) const {
  return mask.to(dtype_)
      .unsqueeze(2)
      .expand({rows_, 1, group_, width_, keys_})
      .reshape({rows_, 1, group_ * width_, keys_});
}

at::Tensor RowLayout::mask(int block) const {
  const std::vector<Cut> cuts = cuts_in(block);
  return cuts.empty() ? mask_ : cut_mask(cuts);
}

at::Tensor RowLayout::group_mask(int block) const {
  const std::vector<Cut> cuts = cuts_in(block);
  if (!cuts.empty()) return grouped(cut_mask(cuts));
  return group_mask_.defined() ? group_mask_ : grouped(mask_);
}

}  // namespace emend
