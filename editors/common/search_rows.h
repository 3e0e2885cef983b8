// What the steps of a batch of searches stand on: everything below and before what the residuals can move,
// computed once.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "editors/common/layer_trace.h"
#include "editors/common/search_unit.h"
#include "emend/model.h"

namespace emend::editors {

inline constexpr std::int64_t kFewGpuTokens = 1024;  // a pass over fewer leaves a GPU waiting for its kernels

// A row as the steps need it: the positions that r can move, from `begin` to its end.
struct ActiveRow {
  std::size_t unit;  // index in the batch
  const SearchRow* source;
  std::int64_t begin;
  // [T - begin or more, D] residual stream after layer l, held edits added; without what the layer's MLP adds
  // where `value` is there. What fills a row up behind its end changes nothing before it.
  at::Tensor hidden;
  // The same places: W k + b, held edits added, where values reach the stream through a norm or a multiplier
  // (ValuePath); undefined where they are added as they are.
  at::Tensor value;
  at::Tensor alpha;    // [T - begin]
  at::Tensor initial;  // drift rows: [V] log-probabilities before the edit, once they are known
  // What the longest r could move of a token in front of `begin`, in units of its residual stream's length.
  double overlooked = 0;
};

struct SearchRows {
  int layer = 0;                // l
  std::vector<ActiveRow> rows;  // of all units, one after another
  KvCache cache;                // of the blocks above the layer; row i belongs to rows[i]
  at::Tensor v0_norms;          // [units, 1] ||v0|| of each unit (SearchScale)
};

// The references in the result are those of `units`. On the way, the held edits of one unit are copied
// without its own: n F numbers at a time.
SearchRows prepare_rows(const Model& model, const LayerTrace& trace, std::span<const SearchUnit> units,
                        const SearchOptions& options);

}  // namespace emend::editors
