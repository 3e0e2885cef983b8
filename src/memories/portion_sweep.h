// One sweep over the coefficients of a portion of text: all that a scan keeps of a layer, in one reading.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>

#include "analysis/text_visitor.h"
#include "memories/layer_state.h"
#include "memories/scan_draw.h"

namespace emend {

// The vectors of a portion at one layer, [n, F] in float32 on the CPU; rows may lie apart, numbers of a row
// not.
struct PortionScores {
  at::Tensor key;
  at::Tensor gate, up;                // undefined without a gate
  std::span<const TextToken> tokens;  // [n], whole rows of text with their position 0
};

// Takes a portion into the state of its layer. Cells are shared out over threads; each is the work of one, so
// that the number of threads changes nothing. Returns the index in `tokens` of one whose coefficient is NaN
// or infinite, or -1 if there is none.
std::int64_t sweep_portion(const PortionScores& portion, const ScanDraw& draw, bool include_first,
                           LayerState& state);

// The hash of the last 12 tokens up to and with tokens[at], or of all of its row if it is shorter.
std::uint64_t suffix_hash(std::span<const TextToken> tokens, std::size_t at);

}  // namespace emend
