#include "memories/portion_sweep.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "memories/counted_rows.h"
#include "memories/nearest_draws.h"
#include "memories/sweep_tile.h"

namespace emend {

namespace {

std::size_t begin_of(const CountedRow& row) {
  return static_cast<std::size_t>(row.begin);
}

std::size_t end_of(const CountedRow& row) {
  return static_cast<std::size_t>(row.begin + row.length);
}

// What a thread needs to take its cells of a portion.
class TileSweep {
 public:
  TileSweep(const PortionScores& portion, const std::vector<CountedRow>& rows,
            const std::vector<std::uint32_t>& drawn, const NearestDraws& nearest, const ScanDraw& draw,
            std::int64_t first, int width, LayerState& state)
      : portion_(portion),
        rows_(rows),
        drawn_(drawn),
        nearest_(nearest),
        draw_(draw),
        first_(first),
        state_(state) {
    tile_.width = width;
    for (int c = 0; c < width; ++c) tile_.cell_draw[c] = draw.of_cell(first + c);
    tile_.histogram = state.counts.histogram.data() + first * coefficient_bins::kBins;
    tile_.spread_threshold = state.spread.thresholds() + first * LayerState::kSpreadBins;
  }

  // Index of a token that has a coefficient which is no number, or -1.
  std::int64_t run() {
    for (const CountedRow& row : rows_) take_row(row);
    const std::int64_t bad = finish();
    if (bad < 0) offer_random();
    return bad;
  }

 private:
  TokenScores scores_at(std::size_t at) const {
    const auto pointer = [&](const at::Tensor& scores) -> const float* {
      return scores.defined()
                 ? scores.const_data_ptr<float>() + static_cast<std::int64_t>(at) * scores.stride(0) + first_
                 : nullptr;
    };
    return {pointer(portion_.key), pointer(portion_.gate), pointer(portion_.up)};
  }

  void take_row(const CountedRow& row) {
    begin_row(tile_);
    const bool every = state_.shape.dedup == Dedup::kNone;
    for (std::size_t at = begin_of(row); at < end_of(row); ++at) {
      const TokenScores scores = scores_at(at);
      take_token(tile_, scores, static_cast<std::int32_t>(at));
      if (draw_.in_sample(drawn_[at]) && take_bins(tile_, scores.key, drawn_[at])) offer_drawn(scores, at);
      if (every) offer_token(scores, at);
    }
    end_row(tile_);
    if (!every) offer_row();
  }

  void offer_drawn(const TokenScores& scores, std::size_t at) {
    const auto address = static_cast<std::uint32_t>(portion_.tokens[at].address);
    for (int c = 0; c < tile_.width; ++c) {
      const TableEntry entry{tile_.score[c], address};
      const std::array<float, 1> coefficient = {scores.key[c]};
      const std::int64_t slot = c * LayerState::kSpreadBins + tile_.bin[c] / 2;
      if (entry.score >= tile_.spread_threshold[slot])
        state_.spread.offer(first_ * LayerState::kSpreadBins + slot, entry, coefficient);
    }
  }

  void offer_random() {
    for (int c = 0; c < tile_.width; ++c) {
      const std::int64_t cell = first_ + c;
      const auto [begin, end] =
          nearest_.find(tile_.cell_draw[c], static_cast<std::size_t>(state_.shape.random),
                        state_.random.thresholds()[cell]);
      for (const std::uint32_t* at = begin; at != end; ++at)
        state_.random.offer(cell,
                            {ScanDraw::score(drawn_[*at], tile_.cell_draw[c]),
                             static_cast<std::uint32_t>(portion_.tokens[*at].address)},
                            std::span(scores_at(*at).key + c, 1));
    }
  }

  void offer_token(const TokenScores& scores, std::size_t at) {
    const float* const high = state_.high.thresholds() + first_;
    const float* const low = state_.shape.one_ended ? nullptr : state_.low.thresholds() + first_;
    if (!reaches(tile_, scores.key, high, low)) return;
    for (int c = 0; c < tile_.width; ++c) {
      if (scores.key[c] >= high[c]) offer(state_.high, c, scores.key[c], at);
      if (low != nullptr && -scores.key[c] >= low[c]) offer(state_.low, c, -scores.key[c], at);
    }
  }

  // The best position of the row that was taken for each cell and end.
  void offer_row() {
    const float* const high = state_.high.thresholds() + first_;
    for (int c = 0; c < tile_.width; ++c)
      if (tile_.best[c] >= high[c])
        offer(state_.high, c, tile_.best[c], static_cast<std::size_t>(tile_.best_at[c]));
    if (state_.shape.one_ended) return;
    const float* const low = state_.low.thresholds() + first_;
    for (int c = 0; c < tile_.width; ++c)
      if (-tile_.worst[c] >= low[c])
        offer(state_.low, c, -tile_.worst[c], static_cast<std::size_t>(tile_.worst_at[c]));
  }

  void offer(TriggerTable& table, int c, float score, std::size_t at) {
    const TableEntry entry{score, static_cast<std::uint32_t>(portion_.tokens[at].address)};
    const std::uint64_t group = table.grouped() ? suffix_hash(portion_.tokens, at) : 0;
    if (!state_.shape.gated) {
      table.offer(first_ + c, entry, {}, group);
      return;
    }
    const TokenScores scores = scores_at(at);
    const std::array<float, 2> both = {scores.gate[c], scores.up[c]};
    table.offer(first_ + c, entry, both, group);
  }

  // The portion's figures into those of the layer.
  std::int64_t finish() {
    CellCounts& counts = state_.counts;
    for (int c = 0; c < tile_.width; ++c) {
      const auto cell = static_cast<std::size_t>(first_ + c);
      if (!std::isfinite(tile_.squares[c])) return find_bad(c);
      counts.active[cell] += tile_.active[c];
      counts.both[cell] += tile_.both[c];
      counts.gate_only[cell] += tile_.active[c] - tile_.both[c];
      counts.up_only[cell] += tile_.up[c] - tile_.both[c];
      counts.sum[cell].add(tile_.sum[c]);
      counts.squares[cell].add(tile_.squares[c]);
      counts.least[cell] = std::min(counts.least[cell], tile_.least[c]);
      counts.most[cell] = std::max(counts.most[cell], tile_.most[c]);
    }
    return -1;
  }

  std::int64_t find_bad(int c) const {
    for (const CountedRow& row : rows_)
      for (std::size_t at = begin_of(row); at < end_of(row); ++at)
        if (!std::isfinite(scores_at(at).key[c])) return static_cast<std::int64_t>(at);
    return rows_.front().begin;
  }

  const PortionScores& portion_;
  const std::vector<CountedRow>& rows_;
  const std::vector<std::uint32_t>& drawn_;
  const NearestDraws& nearest_;
  const ScanDraw& draw_;
  std::int64_t first_;
  LayerState& state_;
  SweepTile tile_;
};

}  // namespace

std::uint64_t suffix_hash(std::span<const TextToken> tokens, std::size_t at) {
  constexpr std::size_t kSuffix = 12;
  constexpr std::uint64_t kMultiplier = 0x9E3779B97F4A7C15;
  std::uint64_t hash = 0;
  for (std::size_t k = 0; k < kSuffix && k <= at; ++k) {
    const TextToken& token = tokens[at - k];
    if (token.document != tokens[at].document || token.window != tokens[at].window) break;
    hash = (std::rotl(hash, 23) ^ static_cast<std::uint64_t>(token.id + 1)) * kMultiplier;
    hash ^= hash >> 29;
  }
  return hash;
}

std::int64_t sweep_portion(const PortionScores& portion, const ScanDraw& draw, bool include_first,
                           LayerState& state) {
  const std::vector<CountedRow> rows = counted_rows(portion.tokens, include_first);
  std::vector<std::uint32_t> drawn(portion.tokens.size());
  std::vector<std::pair<std::uint32_t, std::uint32_t>> counted;
  for (const CountedRow& row : rows)
    for (std::size_t at = begin_of(row); at < end_of(row); ++at) {
      drawn[at] = draw.of_token(portion.tokens[at].address);
      counted.emplace_back(drawn[at], static_cast<std::uint32_t>(at));
    }
  const NearestDraws nearest(std::move(counted));
  const std::int64_t cells = state.shape.cells, tiles = (cells + kTileCells - 1) / kTileCells;
  std::atomic<std::int64_t> bad = -1;
  at::parallel_for(0, tiles, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t tile = begin; tile < end; ++tile) {
      const std::int64_t first = tile * kTileCells;
      TileSweep sweep(portion, rows, drawn, nearest, draw, first,
                      static_cast<int>(std::min<std::int64_t>(kTileCells, cells - first)), state);
      if (const std::int64_t found = sweep.run(); found >= 0) bad = found;
    }
  });
  for (const CountedRow& row : rows) state.counts.tokens += row.length;
  return bad;
}

}  // namespace emend
