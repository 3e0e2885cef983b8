// Text token by token on cached prompts: the loop behind generation and evaluation.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "emend/generate.h"
#include "emend/model.h"
#include "model/row_overlays.h"
#include "model/sampling.h"

namespace emend {

// One row to continue.
struct DecodeRow {
  std::int64_t cache_row = 0;   // its prompt in the cache; distinct among rows
  std::size_t overlay_row = 0;  // its row in the RowOverlays
  std::int64_t max_new = 1;     // tokens, >= 1
  std::uint64_t stream = 0;     // random stream of its draws
};

// Sees every step: ids[i] was drawn for rows[i] (an index into the rows of decode) from logits[i] [V], also
// an id that ends its row. Returns which rows have enough, one flag a row; that token is their last one.
using DecodeWatch = std::function<std::vector<bool>(
    const std::vector<std::size_t>& rows, const at::Tensor& logits, const std::vector<std::int64_t>& ids)>;

// New tokens of each row; `logits` [rows, V] are those of the prompts' last tokens. `stop` ids end a row and
// are kept out. Each step runs one token of every living row. The cache must have room; its lengths are those
// of the prompts again when this returns, so what the prompts left in it can be used once more. `progress`,
// if any, hears of every step. `ended_by`, if any, gets for each row the stop id that ended it; -1 for a row
// that reached max_new. `watch`, if any, sees every token as it is drawn.
std::vector<TokenIds> decode(const Model& model, KvCache& cache, const at::Tensor& logits,
                             const std::vector<DecodeRow>& rows, const DrawOptions& draw,
                             const std::vector<std::int64_t>& stop, const RowOverlays& overlays,
                             Progress* progress = nullptr, std::vector<std::int64_t>* ended_by = nullptr,
                             const DecodeWatch& watch = {});

}  // namespace emend
