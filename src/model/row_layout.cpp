#include "model/row_layout.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "emend/error.h"
#include "model/attend.h"
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
      kv_heads_(config.kv_heads),
      group_(config.heads / config.kv_heads),
      dtype_(at::typeMetaToScalarType(options.dtype())),
      shares_tokens_(!input.token_of.empty()),
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
  place_rotations(config, options);
  if (in_buckets)
    buckets_.emplace(token_of, tokens_, config, device);
  else
    build_masks(input, config, device);
}

RowLayout RowLayout::on(const at::Device& device) const {
  RowLayout moved = *this;
  for (at::Tensor* t :
       {&moved.positions_, &moved.row_of_token_, &moved.logit_tokens_, &moved.cache_rows_, &moved.pad_index_,
        &moved.unpad_index_, &moved.stored_token_, &moved.stored_row_, &moved.stored_slot_})
    if (t->defined()) *t = t->to(device);
  for (Rotation& rotation : moved.rotations_) {
    rotation.cos = rotation.cos.to(device);
    rotation.sin = rotation.sin.to(device);
  }
  for (auto* masks : {&moved.masks_, &moved.group_masks_})
    for (auto& [window, mask] : *masks) mask = mask.to(device);
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

// The length of each token's row; undefined where the table turns all of these rows as short ones.
at::Tensor RowLayout::row_lengths_for(const RotaryTable& table, const at::Device& device) const {
  std::vector<std::int64_t> ends;
  for (std::size_t row = 0; row < lengths_.size(); ++row) ends.push_back(starts_[row] + lengths_[row]);
  const auto is_long = [&](std::int64_t end) { return table.long_from > 0 && end > table.long_from; };
  if (std::none_of(ends.begin(), ends.end(), is_long)) return {};
  for (std::size_t row = 0; row < ends.size(); ++row) {
    const bool turned_otherwise = starts_[row] <= table.long_from || table.dynamic_factor != 0;
    if (starts_[row] > 0 && is_long(ends[row]) && turned_otherwise)
      throw Error(ErrorKind::kModel,
                  fmt::format("a row grows from {} to {} tokens, but the model turns rows of more than {} "
                              "tokens otherwise from their beginning; run it as a whole",
                              starts_[row], ends[row], table.long_from));
  }
  if (shares_tokens_ && std::any_of(ends.begin(), ends.end(), [&](auto end) { return end != ends.front(); }))
    throw Error(ErrorKind::kModel,
                fmt::format("rows of different lengths, some over {} tokens, share no tokens in this model",
                            table.long_from));
  return index_tensor(ends, device).index_select(0, row_of_token_);
}

void RowLayout::place_rotations(const ModelConfig& config, const at::TensorOptions& options) {
  for (const RotaryTable& table : config.rotary)
    rotations_.push_back(
        make_rotation(table, config.head_dim, positions_, row_lengths_for(table, options.device()), options));
}

// Keys are either the cache's slots 0 .. end (append behind a prefix: the new ones are among them), or prefix
// slots followed by the new ones.
void RowLayout::place_keys(const PassInput& input, const at::Device& device) {
  if (input.cache && !input.append)
    for (std::int64_t start : starts_) prefix_ = std::max(prefix_, start);
  // The fused kernel of a GPU wants a multiple of 16 keys, or copies the mask at every call.
  if (device.is_cuda() && prefix_ > 0 && input.cache->capacity() >= prefix_ + kAligned)
    prefix_ += (kAligned - (prefix_ + width_) % kAligned) % kAligned;
  keys_ = prefix_ + width_;
  in_cache_ = input.append && !from_start_;
  if (!in_cache_) return;
  keys_ = 0;
  for (std::int64_t row = 0; row < rows_; ++row) keys_ = std::max(keys_, starts_[row] + lengths_[row]);
}

// 0 where a query sees a key and -inf elsewhere, of the first `rows` rows: [rows, 1, T, keys].
at::Tensor RowLayout::mask_of(std::int64_t window, std::int64_t rows) const {
  at::Tensor mask = at::full({rows, 1, width_, keys_}, kHidden, at::kFloat);
  float* data = mask.data_ptr<float>();
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t t = 0; t < width_; ++t) {
      float* line = data + (row * width_ + t) * keys_;
      const std::int64_t start = starts_[row];
      const std::int64_t last = std::min(t, lengths_[row] - 1);  // pad slots repeat the row's last token
      const std::int64_t first = window > 0 ? std::max<std::int64_t>(start + last + 1 - window, 0) : 0;
      if (in_cache_) {
        std::fill(line + first, line + start + last + 1, 0.0f);
      } else {
        std::fill(line + std::min(first, start), line + start, 0.0f);
        std::fill(line + prefix_ + std::max<std::int64_t>(first - start, 0), line + prefix_ + last + 1, 0.0f);
      }
    }
  return mask;
}

// ALiBi's terms of the keys of the first `rows` rows: [rows, H, 1, keys].
at::Tensor RowLayout::alibi_of(const ModelConfig& config, std::int64_t rows) const {
  std::vector<std::int64_t> positions;
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t slot = 0; slot < keys_; ++slot)
      positions.push_back(in_cache_ || slot < prefix_ ? slot : starts_[row] + slot - prefix_);
  return alibi_terms(index_tensor(positions, at::kCPU).view({rows, keys_}), config.heads,
                     score_rule(config, 0).scale)
      .transpose(1, 2)
      .unsqueeze(2);
}

void RowLayout::build_masks(const PassInput& input, const ModelConfig& config, const at::Device& device) {
  place_keys(input, device);
  const std::int64_t different = alike_ && input.knockouts.empty() ? 1 : rows_;
  std::int64_t longest = 0;
  for (std::int64_t row = 0; row < rows_; ++row) longest = std::max(longest, starts_[row] + lengths_[row]);
  const auto made = [&](std::int64_t window) {
    const at::Tensor mask = mask_of(window, different);
    return to_device(config.block.alibi ? mask + alibi_of(config, different) : mask, device);
  };
  at::Tensor all;  // a window that no row is longer than hides nothing more
  for (const std::int64_t window : windows_of(config)) {
    const bool hides = window > 0 && window < longest;
    if (!hides && !all.defined()) all = made(0);
    const at::Tensor mask = hides ? made(window) : all;
    masks_[window] = mask;
    if (device.is_cuda()) group_masks_[window] = grouped(mask);
  }
  place_cuts(input);
}

void RowLayout::place_cuts(const PassInput& input) {
  for (const Knockout& cut : input.knockouts) {
    const auto row =
        std::upper_bound(first_token_.begin(), first_token_.end(), cut.token) - first_token_.begin() - 1;
    const std::int64_t slot =
        in_cache_ || cut.position < starts_[row] ? cut.position : prefix_ + cut.position - starts_[row];
    cuts_.push_back({cut.begin_block, cut.end_block, row, cut.token - first_token_[row], slot});
  }
}

std::vector<RowLayout::Cut> RowLayout::cuts_in(int block) const {
  std::vector<Cut> cuts;
  for (const Cut& cut : cuts_)
    if (block >= cut.begin && block < cut.end) cuts.push_back(cut);
  return cuts;
}

at::Tensor RowLayout::cut_mask(const at::Tensor& mask, const std::vector<Cut>& cuts) const {
  std::vector<std::int64_t> rows, queries, keys;
  for (const Cut& cut : cuts) {
    rows.push_back(cut.row);
    queries.push_back(cut.query);
    keys.push_back(cut.key);
  }
  const at::Device device = mask.device();
  at::Tensor cut = mask.clone();
  cut.index_put_({index_tensor(rows, device), at::indexing::Slice(), index_tensor(queries, device),
                  index_tensor(keys, device)},
                 at::full({}, kHidden, mask.options()));
  return cut;
}

at::Tensor RowLayout::grouped(const at::Tensor& mask) const {
  const at::Tensor typed = mask.to(dtype_);
  const at::Tensor lines = typed.size(1) == 1
                               ? typed.unsqueeze(2)
                                     .expand({mask.size(0), 1, group_, width_, keys_})
                                     .reshape({mask.size(0), 1, group_ * width_, keys_})
                               : typed.reshape({mask.size(0), kv_heads_, group_ * width_, keys_});
  // Lines that begin at multiples of eight: the fused kernel of a GPU copies others at every call.
  constexpr std::int64_t kLine = 8;
  return at::constant_pad_nd(lines, {0, (kLine - keys_ % kLine) % kLine}).narrow(3, 0, keys_);
}

at::Tensor RowLayout::head_mask(int block, std::int64_t window) const {
  const std::vector<Cut> cuts = cuts_in(block);
  const at::Tensor& whole = masks_.at(window);
  const at::Tensor mask = cuts.empty() ? whole : cut_mask(whole, cuts);
  return mask.size(1) == 1 ? mask.unsqueeze(1)
                           : mask.view({mask.size(0), kv_heads_, group_, mask.size(2), mask.size(3)});
}

at::Tensor RowLayout::group_mask(int block, std::int64_t window) const {
  const std::vector<Cut> cuts = cuts_in(block);
  if (!cuts.empty()) return grouped(cut_mask(masks_.at(window), cuts));
  const auto made = group_masks_.find(window);
  return made != group_masks_.end() ? made->second : grouped(masks_.at(window));
}

}  // namespace emend
