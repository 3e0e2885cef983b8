#include "model/row_layout.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

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

RowLayout::RowLayout(const PassInput& input, const ModelConfig& config, const at::TensorOptions& options,
                     bool bucketed)
    : rows_(static_cast<std::int64_t>(input.ids.size())),
      group_(config.heads / config.kv_heads),
      dtype_(at::typeMetaToScalarType(options.dtype())),
      read_(input.logit_tokens) {
  const at::Device device = options.device();
  const std::vector<std::int64_t> cache_rows = place_rows(input, config);
  const bool in_buckets = bucketed && from_start_ && input.knockouts.empty() &&
                          !device.is_cuda();  // there one kernel does it all
  std::vector<std::vector<std::int64_t>> token_of;
  if (alike_ && !input.append && !in_buckets)
    place_alike(device);
  else
    token_of = place_tokens(input, device);
  if (!input.cache_row.empty() && !from_start_ && !is_whole_cache(input.cache_row, input.cache)) {
    std::vector<std::int64_t> rows = input.cache_row;
    for (auto& row : rows) row = std::max<std::int64_t>(row, 0);  // a row without a prefix: masked out
    cache_rows_ = index_tensor(rows, device);
  }
  if (input.append) place_in_cache(token_of, cache_rows, device);
  if (!read_.empty()) logit_tokens_ = index_tensor(read_, device);
  if (config.positions != PositionKind::kLearned)
    std::tie(cos_, sin_) = rotary_table(config, positions_, options);
  if (in_buckets)
    buckets_.emplace(token_of, tokens_, config, device);
  else
    build_mask(input, device);
}

RowLayout RowLayout::on(const at::Device& device) const {
  RowLayout moved = *this;
  for (at::Tensor* t : {&moved.positions_, &moved.row_of_token_, &moved.logit_tokens_, &moved.cache_rows_,
                        &moved.pad_index_, &moved.unpad_index_, &moved.cos_, &moved.sin_, &moved.mask_,
                        &moved.group_mask_, &moved.stored_token_, &moved.stored_row_, &moved.stored_slot_})
    if (t->defined()) *t = t->to(device);
  if (buckets_) moved.buckets_ = buckets_->on(device);
  return moved;
}

// Lengths and starting positions of the rows; returns each row's row of the cache.
std::vector<std::int64_t> RowLayout::place_rows(const PassInput& input, const ModelConfig& config) {
  std::vector<std::int64_t> cache_rows;
  std::int64_t first_token = 0;
  for (std::int64_t row = 0; row < rows_; ++row) {
    const auto length = static_cast<std::int64_t>(input.ids[row].size());
    cache_rows.push_back(input.cache_row.empty() ? row : input.cache_row[row]);
    const std::int64_t start =
        input.cache && cache_rows.back() >= 0 ? input.cache->lengths[cache_rows.back()] : 0;
    if (start + length > config.max_positions)
      throw Error(ErrorKind::kModel, fmt::format("a row of {} tokens is longer than the model's {} positions",
                                                 start + length, config.max_positions));
    first_token_.push_back(first_token);
    first_token += length;
    lengths_.push_back(length);
    starts_.push_back(start);
    from_start_ = from_start_ && start == 0;
    width_ = std::max(width_, length);
  }
  for (std::int64_t length : lengths_) even_ = even_ && length == width_;
  even_ = even_ && input.token_of.empty();
  alike_ = even_ && !starts_.empty() && std::all_of(starts_.begin(), starts_.end(), [&](std::int64_t start) {
             return start == starts_.front();
           });
  return cache_rows;
}

// place_tokens for rows that are all alike, without a list of them: tracing runs thousands at once, and new
// ones block by block.
void RowLayout::place_alike(const at::Device& device) {
  const auto numbers = at::TensorOptions(device).dtype(at::kLong);
  tokens_ = rows_ * width_;
  positions_ = at::arange(starts_.front(), starts_.front() + width_, numbers).repeat({rows_});
  row_of_token_ = at::arange(rows_, numbers).unsqueeze(1).expand({rows_, width_}).reshape({tokens_});
}

// Which token stands where: positions and rows of tokens, and the padded form. Returns the token at each
// position of each row.
std::vector<std::vector<std::int64_t>> RowLayout::place_tokens(const PassInput& input,
                                                               const at::Device& device) {
  std::vector<std::vector<std::int64_t>> token_of = input.token_of;
  for (std::int64_t row = static_cast<std::int64_t>(token_of.size()); row < rows_; ++row) {
    token_of.emplace_back();
    for (std::int64_t t = 0; t < lengths_[row]; ++t) token_of.back().push_back(first_token_[row] + t);
  }
  std::vector<std::int64_t> positions, row_of_token, pad, unpad;
  for (std::int64_t row = 0; row < rows_; ++row)
    for (std::int64_t t = 0; t < width_; ++t) {
      const std::int64_t last = std::min(t, lengths_[row] - 1), token = token_of[row][last];
      pad.push_back(token);
      if (t != last || token < static_cast<std::int64_t>(positions.size())) continue;  // known from before
      positions.push_back(starts_[row] + t);
      row_of_token.push_back(row);
      unpad.push_back(row * width_ + t);
    }
  tokens_ = static_cast<std::int64_t>(positions.size());
  positions_ = index_tensor(positions, device);
  row_of_token_ = index_tensor(row_of_token, device);
  if (!even_) {
    pad_index_ = index_tensor(pad, device);
    unpad_index_ = index_tensor(unpad, device);
  }
  return token_of;
}

void RowLayout::place_in_cache(const std::vector<std::vector<std::int64_t>>& token_of,
                               const std::vector<std::int64_t>& cache_rows, const at::Device& device) {
  std::vector<std::int64_t> token, row, slot;
  bool in_order = true;
  for (std::int64_t r = 0; r < rows_; ++r)
    for (std::int64_t t = 0; t < lengths_[r]; ++t) {
      if (cache_rows[r] < 0) continue;
      token.push_back(token_of[r][t]);
      in_order = in_order && token.back() + 1 == static_cast<std::int64_t>(token.size());
      row.push_back(cache_rows[r]);
      slot.push_back(starts_[r] + t);
    }
  stored_row_ = index_tensor(row, device);
  stored_slot_ = index_tensor(slot, device);
  if (!in_order || static_cast<std::int64_t>(token.size()) != tokens_)
    stored_token_ = index_tensor(token, device);
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

void RowLayout::store(const at::Tensor& fresh, at::Tensor storage) const {
  storage.index_put_({stored_row_, at::indexing::Slice(), stored_slot_},
                     stored_token_.defined() ? fresh.index_select(0, stored_token_) : fresh);
}

at::Tensor RowLayout::select_cache_rows(const at::Tensor& cached) const {
  return cache_rows_.defined() ? cached.index_select(0, cache_rows_) : cached;
}

// Keys are either the cache's slots 0 .. end (append behind a prefix: the new ones are among them), or prefix
// slots followed by the new ones.
void RowLayout::build_mask(const PassInput& input, const at::Device& device) {
  std::int64_t prefix = 0;
  if (input.cache && !input.append)
    for (std::int64_t start : starts_) prefix = std::max(prefix, start);
  // The fused kernel of a GPU wants a multiple of 16 keys, or copies the mask at every call.
  if (device.is_cuda() && prefix > 0 && input.cache->capacity() >= prefix + kAligned)
    prefix += (kAligned - (prefix + width_) % kAligned) % kAligned;
  keys_ = prefix + width_;
  const bool in_cache = input.append && !from_start_;
  if (in_cache) {
    keys_ = 0;
    for (std::int64_t row = 0; row < rows_; ++row) keys_ = std::max(keys_, starts_[row] + lengths_[row]);
  }
  const std::int64_t different = alike_ && input.knockouts.empty() ? 1 : rows_;
  const at::Tensor mask = at::full({different, 1, width_, keys_}, kHidden, at::kFloat);
  float* data = mask.data_ptr<float>();
  for (std::int64_t row = 0; row < different; ++row)
    for (std::int64_t t = 0; t < width_; ++t) {
      float* line = data + (row * width_ + t) * keys_;
      const std::int64_t last = std::min(t, lengths_[row] - 1);  // pad slots repeat the row's last token
      if (in_cache) {
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
        in_cache || cut.position < starts_[row] ? cut.position : prefix + cut.position - starts_[row];
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
  const at::Tensor lines = mask.to(dtype_)
                               .unsqueeze(2)
                               .expand({mask.size(0), 1, group_, width_, keys_})
                               .reshape({mask.size(0), 1, group_ * width_, keys_});
  // Lines that begin at multiples of eight: the fused kernel of a GPU copies others at every call.
  constexpr std::int64_t kLine = 8;
  return at::constant_pad_nd(lines, {0, (kLine - keys_ % kLine) % kLine}).narrow(3, 0, keys_);
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
