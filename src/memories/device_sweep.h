// The sweep of portion_sweep.h where the vectors are: with operations of the tensor library on their device,
// of which only what may enter a table comes to the host. It finds what that sweep finds; sums are of float32
// numbers added in float32, which agrees to about 1e-6.
//
// Bytes that are read and written a coefficient (of 2 or 4 bytes, b): extremes of rows b, sum b, squares b,
// positive ones 3 b; in the sample (scan_draw.h) about 60 more. What enters a table is rare: of N rows
// about t (1 + ln(N / t)) a cell and end.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "memories/counted_rows.h"
#include "memories/layer_state.h"
#include "memories/nearest_draws.h"
#include "memories/portion_sweep.h"
#include "memories/row_views.h"
#include "memories/scan_draw.h"

namespace emend {

// Of one layer. Portions are taken one after the other: begin(), select(), settle(). Between the first two
// the device works, and from the second on it is free for other work.
class DeviceSweep {
 public:
  DeviceSweep(const ScanDraw& draw, bool include_first) : draw_(draw), include_first_(include_first) {}

  // Starts the work on a portion and waits for nothing. `portion`: in any floating type, on any device.
  void begin(const PortionScores& portion, LayerState& state);
  // Fetches what may enter the tables. Returns as sweep_portion does.
  std::int64_t select(const PortionScores& portion, LayerState& state);
  // Takes into the state what was fetched; threads share the cells.
  void settle(LayerState& state);
  // settle(), and the histogram into that of the state.
  void flush(LayerState& state);
  // The state was changed from outside.
  void forget() { spread_limit_.reset(); }

 private:
  static constexpr std::int64_t kOctaves = LayerState::kSpreadBins;

  void set_rows(const PortionScores& portion);
  void take_figures(const PortionScores& portion, const LayerState& state);
  void take_sample(const PortionScores& portion, const LayerState& state);
  void draw_random(const PortionScores& portion, const LayerState& state);
  at::Tensor candidates(const PortionScores& portion, const LayerState& state, std::int64_t row,
                        std::int64_t rows) const;
  at::Tensor best_of_rows(const PortionScores& portion, const LayerState& state, const at::Tensor& pairs,
                          const at::Tensor& tokens) const;
  at::Tensor all_of_rows(const PortionScores& portion, const LayerState& state, const at::Tensor& pairs,
                         const at::Tensor& tokens, const at::Tensor& limits) const;
  at::Tensor drawn_of_octaves() const;
  std::int64_t find_bad(const PortionScores& portion) const;
  void add_figures(LayerState& state) const;
  void offer_candidates(LayerState& state) const;
  void offer_octaves(LayerState& state) const;
  void offer_random(LayerState& state) const;

  ScanDraw draw_;
  bool include_first_;
  std::int64_t rows_seen_ = 0;
  // Kept on the device: counts by bin [kBins, F], the draw that one must not exceed to be the example of an
  // octave [kSpreadBins, F], and what each cell drew [F].
  at::Tensor histogram_, spread_limit_, cell_draw_;

  // Of the portion, on the device.
  std::vector<CountedRow> rows_;  // those with tokens that count
  std::int64_t counted_ = 0;      // their tokens
  RowViews views_;
  at::Tensor row_begin_, row_length_;      // [R]
  at::Tensor row_most_, row_least_;        // [R, F]
  at::Tensor figures_;                     // [5 or 7, F]: sum, squares, least, most, active, up, both
  at::Tensor sample_, sample_index_;       // [S, F] in float32; the tokens of the sample by address [S]
  at::Tensor sample_best_;                 // [kSpreadBins, F]: the least draw 2^32 + place in the sample
  at::Tensor random_cell_, random_token_;  // [n]
  std::vector<std::int64_t> random_cells_, random_tokens_;
  std::vector<std::uint32_t> token_draws_;  // of all tokens of the portion that count
  std::vector<std::uint32_t> cell_draws_;

  // Fetched: the tokens of the portion; the figures; rows of numbers sorted by cell of the ends (cell, token,
  // coefficient ...) and by octave (cell, octave, draw, token, coefficient); coefficients of random_tokens_.
  std::vector<TextToken> tokens_;
  at::Tensor found_figures_, found_, found_octaves_, found_random_;
};

}  // namespace emend
