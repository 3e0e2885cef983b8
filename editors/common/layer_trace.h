// What token rows look like at one layer of the unedited model: keys, residual stream, and keys and values
// above it. Fronts (BOS and context texts) are shared by all requests: the blocks run over them once.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "analysis/prompt_rows.h"
#include "emend/model.h"

namespace emend {

// A row as a shared front and its own tokens.
struct TraceRow {
  std::int64_t front = -1;  // index into the fronts; -1: the row stands alone
  TokenIds own;             // tokens after the front
};

// One row at layer l, over all its tokens, front included. float32.
struct TracedRow {
  at::Tensor keys;    // [T, F]
  at::Tensor hidden;  // [T, D] residual stream after block l
};

class LayerTrace {
 public:
  // Runs all blocks over the fronts (each may be empty) and keeps what lies at `layer` and above.
  LayerTrace(const Model& model, int layer, std::vector<TokenIds> fronts, std::int64_t token_budget);

  int layer() const { return layer_; }
  std::int64_t front_length(std::int64_t front) const {
    return front < 0 ? 0 : static_cast<std::int64_t>(fronts_[static_cast<std::size_t>(front)].size());
  }
  // Keys of front tokens [T, F] float32; the sink's key is row 0 of a front that begins at position 0.
  const at::Tensor& front_keys(std::int64_t front) const {
    return front_keys_[static_cast<std::size_t>(front)];
  }

  // Keys at the last token of each row [rows, F] float32: blocks below
  // the layer, and the layer up to its key.
  at::Tensor last_keys(const std::vector<TraceRow>& rows) const;
  // Keys of all own tokens of each row.
  std::vector<at::Tensor> own_keys(const std::vector<TraceRow>& rows) const;

  // Everything at the layer, over all tokens of each row.
  std::vector<TracedRow> trace(const std::vector<TraceRow>& rows) const;

  // Keys and values of blocks above the layer for positions [0, begin[i]) of each row, from the (possibly
  // changed) residual stream `hidden` of that row. Cache row i is row i.
  KvCache upper_cache(const std::vector<TraceRow>& rows, const std::vector<at::Tensor>& hidden,
                      const std::vector<std::int64_t>& begin) const;

 private:
  PassInput input_for(const std::vector<TraceRow>& rows, std::size_t begin, std::size_t end) const;
  // Keys of the given packed tokens (undefined: all) by a pass that ends inside the layer. float32.
  at::Tensor keys_of(PassInput input, const at::Tensor& tokens) const;

  const Model& model_;
  int layer_;
  std::vector<TokenIds> fronts_;
  std::int64_t token_budget_;
  mutable KvCache cache_;  // a pass takes it by pointer; without `append` it only reads
  std::vector<at::Tensor> front_keys_, front_hidden_;
};

}  // namespace emend
