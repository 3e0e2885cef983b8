// What token rows look like at some layers of the unedited model: their keys there, and at the last of the
// layers the residual stream, and keys and values of attention above it. Fronts (BOS and context texts) are
// shared by all requests: the blocks run over them once.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "analysis/prompt_rows.h"
#include "emend/model.h"
#include "model/value_path.h"

namespace emend::editors {

// A row as a shared front and its own tokens.
struct TraceRow {
  std::int64_t front = -1;  // index into the fronts; -1: the row stands alone
  TokenIds own;             // tokens after the front
};

// One row at the last layer, over all its tokens, front included. float32.
struct TracedRow {
  at::Tensor keys;    // [T, F]
  at::Tensor hidden;  // [T, D] residual stream after the layer's block
  at::Tensor value;   // [T, D] W k + b; undefined where values are added to the stream as they are
};

// One run of blocks serves all layers: it stops at the last of them.
class LayerTrace {
 public:
  // Runs all blocks over the fronts (each may be empty) and keeps what lies at `layers` and above the last.
  // `layers` are ascending, at least one. The model outlives the trace.
  LayerTrace(const Model& model, std::vector<int> layers, std::vector<TokenIds> fronts,
             std::int64_t token_budget);

  const std::vector<int>& layers() const { return layers_; }
  // The last layer: rows are traced up to it, and a search runs the blocks above it.
  int layer() const { return layers_.back(); }
  const std::vector<TokenIds>& fronts() const { return fronts_; }
  // How values of the last layer reach the stream.
  const ValuePath& value_path() const { return value_path_; }
  std::int64_t front_length(std::int64_t front) const {
    return front < 0 ? 0 : static_cast<std::int64_t>(fronts_[static_cast<std::size_t>(front)].size());
  }

  // In what follows, one tensor or list for each of layers().

  // Keys of the front's tokens [T, F] float32; the sink's key is row 0 of a front that begins at position 0.
  std::vector<at::Tensor> front_keys(std::int64_t front) const;
  // Keys at the last token of each row [rows, F] float32: blocks up to the last layer's key.
  std::vector<at::Tensor> last_keys(const std::vector<TraceRow>& rows) const;
  // Keys of all own tokens of each row [T, F] float32.
  std::vector<std::vector<at::Tensor>> own_keys(const std::vector<TraceRow>& rows) const;

  // Everything at the last layer, over all tokens of each row.
  std::vector<TracedRow> trace(const std::vector<TraceRow>& rows) const;

  // Keys and values of blocks above the last layer for positions [0, begin[i]) of each row, from the
  // (possibly changed) residual stream `hidden` of that row. Cache row i is row i.
  KvCache upper_cache(const std::vector<TraceRow>& rows, const std::vector<at::Tensor>& hidden,
                      const std::vector<std::int64_t>& begin) const;

 private:
  PassInput input_for(const std::vector<TraceRow>& rows, std::size_t begin, std::size_t end) const;
  // Keys of the given packed tokens (undefined: all) at each layer, by a pass that ends inside the last.
  // float32.
  std::vector<at::Tensor> keys_of(PassInput input, const at::Tensor& tokens) const;
  void trace_fronts();

  const Model& model_;
  std::vector<int> layers_;
  std::vector<TokenIds> fronts_;
  std::int64_t token_budget_;
  ValuePath value_path_;   // of the last layer
  mutable KvCache cache_;  // a pass takes it by pointer; without `append` it only reads
  std::vector<std::vector<at::Tensor>> front_keys_;      // [layers][fronts]
  std::vector<at::Tensor> front_hidden_, front_values_;  // values where they are not added as they are
};

}  // namespace emend::editors
