// How packed tokens lie in rows: where each stands, what it sees, and the way into and out of attention's
// padded form. Names of sizes: emend/pass.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <optional>
#include <vector>

#include "emend/model.h"
#include "emend/pass.h"
#include "model/rotary.h"
#include "model/row_buckets.h"

namespace emend {

// Made once a pass, or once for many passes over rows of the same lengths (Model::lay_out). Immutable. A
// token that rows share stands in each of them; its first row speaks for it.
class RowLayout {
 public:
  // `bucketed`: rows that all begin at position 0 go through attention in buckets where that is quicker; not
  // for passes that take gradients. Throws Error(kModel) for a row longer than max_positions.
  RowLayout(const PassInput& input, const ModelConfig& config, const at::TensorOptions& options,
            bool bucketed);

  // The same with all tensors on `device`: for the blocks of a split model that lie there.
  RowLayout on(const at::Device& device) const;

  std::int64_t tokens() const { return tokens_; }
  std::int64_t rows() const { return rows_; }
  std::int64_t width() const { return width_; }
  std::int64_t keys() const { return keys_; }                       // slots that a query may see, at most
  const at::Tensor& positions() const { return positions_; }        // [N] int64
  const at::Tensor& row_of_token() const { return row_of_token_; }  // [N] int64
  const at::Tensor& logit_tokens() const { return logit_tokens_; }  // [L] int64; undefined: none is read
  bool reads(const std::vector<std::int64_t>& logit_tokens) const { return logit_tokens == read_; }
  // The tokens' turns by this table of the model; nullptr where a block turns nothing.
  const Rotation* rotation(int table) const {
    return table < 0 || rotations_.empty() ? nullptr : &rotations_[static_cast<std::size_t>(table)];
  }

  // Whether new keys and values are all that a row sees.
  bool from_start() const { return from_start_; }
  // nullptr: the padded form.
  const RowBuckets* buckets() const { return buckets_ ? &*buckets_ : nullptr; }

  // Rows picked out of [cache rows, ...] for every row [R, ...].
  at::Tensor select_cache_rows(const at::Tensor& cached) const;
  // Keys or values [N, K, h] into the slots of storage [cache rows, K, capacity, h] that are theirs.
  void store(const at::Tensor& fresh, at::Tensor storage) const;

  // [N, ...] -> [R, T, ...] (pad slots repeat a token of the pass; masks hide them) and back.
  at::Tensor pad(const at::Tensor& packed) const;
  at::Tensor unpad(const at::Tensor& padded) const;

  // 0 where a query of a block with this window sees a key, -inf elsewhere, plus ALiBi's terms: [R, 1, 1, T,
  // keys], float32, [R, K, group, T, keys] with ALiBi; 1 for R where all rows are alike.
  at::Tensor head_mask(int block, std::int64_t window) const;
  // The same in the model's type with every query once for each head of its group: [R or 1, 1 or K, group T,
  // keys].
  at::Tensor group_mask(int block, std::int64_t window) const;

 private:
  struct Cut {
    int begin, end;
    std::int64_t row, query, key;
  };

  std::vector<std::int64_t> place_rows(const PassInput& input, const ModelConfig& config);
  std::vector<std::vector<std::int64_t>> place_tokens(const PassInput& input, const at::Device& device);
  void place_alike(const at::Device& device);
  void place_in_cache(const std::vector<std::vector<std::int64_t>>& token_of,
                      const std::vector<std::int64_t>& cache_rows, const at::Device& device);
  void place_keys(const PassInput& input, const at::Device& device);
  void build_masks(const PassInput& input, const ModelConfig& config, const at::Device& device);
  at::Tensor mask_of(std::int64_t window, std::int64_t rows) const;
  at::Tensor alibi_of(const ModelConfig& config, std::int64_t rows) const;
  void place_cuts(const PassInput& input);
  void place_rotations(const ModelConfig& config, const at::TensorOptions& options);
  at::Tensor row_lengths_for(const RotaryTable& table, const at::Device& device) const;
  std::vector<Cut> cuts_in(int block) const;
  at::Tensor cut_mask(const at::Tensor& mask, const std::vector<Cut>& cuts) const;
  at::Tensor grouped(const at::Tensor& mask) const;

  std::int64_t tokens_ = 0, rows_ = 0, width_ = 0, keys_ = 0, kv_heads_ = 1, group_ = 1;
  std::int64_t prefix_ = 0;  // slots of the cache in front of the new keys
  bool in_cache_ = false;    // the new keys are among the cache's slots
  at::ScalarType dtype_;
  bool even_ = true;   // all rows equally long, no token shared: padding is a view
  bool alike_ = true;  // even rows that all begin at the same position: one mask does for all
  bool from_start_ = true;
  bool shares_tokens_ = false;
  std::vector<std::int64_t> first_token_, lengths_, starts_, read_;
  at::Tensor positions_, row_of_token_, logit_tokens_, cache_rows_, pad_index_, unpad_index_;
  std::vector<Rotation> rotations_;                         // one for each table of the model
  std::map<std::int64_t, at::Tensor> masks_, group_masks_;  // by window: [R or 1, 1 or H, T, keys]
  // What goes where into the cache; stored_token_ is undefined when it is every token in order.
  at::Tensor stored_token_, stored_row_, stored_slot_;
  std::optional<RowBuckets> buckets_;
  std::vector<Cut> cuts_;
};

}  // namespace emend
