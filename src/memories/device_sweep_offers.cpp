// What a sweep by tensor operations fetched, into the state of its layer.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <span>

#include "memories/device_sweep.h"

namespace emend {

namespace {

// Calls `work(begin, end)` for parts of rows that are sorted by the cell in their first column, so that no
// two parts have a cell in common.
template <typename Work>
void for_parts_of_cells(const float* rows, std::int64_t count, std::int64_t width, const Work& work) {
  constexpr std::int64_t kGrain = 2048;
  const auto whole_cells = [&](std::int64_t row) {
    while (row > 0 && row < count && rows[row * width] == rows[(row - 1) * width]) ++row;
    return row;
  };
  at::parallel_for(0, count, kGrain,
                   [&](std::int64_t begin, std::int64_t end) { work(whole_cells(begin), whole_cells(end)); });
}

}  // namespace

void DeviceSweep::add_figures(LayerState& state) const {
  const auto row = [&](std::int64_t i) { return found_figures_[i].const_data_ptr<float>(); };
  const float *const sum = row(0), *const squares = row(1), *const least = row(2), *const most = row(3),
                     *const active = row(4), *const up = state.shape.gated ? row(5) : nullptr,
                     *const both = state.shape.gated ? row(6) : nullptr;
  CellCounts& counts = state.counts;
  const auto whole = [](float count) { return static_cast<std::int64_t>(count); };
  at::parallel_for(0, state.shape.cells, 1024, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) {
      const auto cell = static_cast<std::size_t>(c);
      counts.sum[cell].add(sum[c]);
      counts.squares[cell].add(squares[c]);
      counts.least[cell] = std::min(counts.least[cell], least[c]);
      counts.most[cell] = std::max(counts.most[cell], most[c]);
      counts.active[cell] += whole(active[c]);
      counts.gate_only[cell] += whole(active[c]);
      if (!state.shape.gated) continue;
      counts.both[cell] += whole(both[c]);
      counts.gate_only[cell] -= whole(both[c]);
      counts.up_only[cell] += whole(up[c] - both[c]);
    }
  });
  counts.tokens += counted_;
}

void DeviceSweep::offer_candidates(LayerState& state) const {
  const std::int64_t width = found_.size(1), extras = state.shape.gated ? 2 : 0;
  const bool both_ends =
      state.shape.dedup != Dedup::kNone;  // a best token for each end in one row of numbers
  const auto* const numbers = found_.const_data_ptr<float>();
  const auto offer = [&](TriggerTable& table, std::int64_t cell, float sign, const float* token_and_score,
                         const float* extra) {
    const float score = sign * token_and_score[1];
    if (!(score >= table.thresholds()[cell])) return;
    const auto at = static_cast<std::size_t>(token_and_score[0]);
    table.offer(cell, {score, static_cast<std::uint32_t>(tokens_[at].address)},
                std::span(extra, static_cast<std::size_t>(extras)),
                table.grouped() ? suffix_hash(tokens_, at) : 0);
  };
  for_parts_of_cells(numbers, found_.size(0), width, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const float* const one = numbers + row * width;
      const auto cell = static_cast<std::int64_t>(one[0]);
      offer(state.high, cell, 1, one + 1, one + (both_ends ? 5 : 3));
      if (!state.shape.one_ended)
        offer(state.low, cell, -1, one + (both_ends ? 3 : 1), one + (both_ends ? 5 + extras : 3));
    }
  });
}

void DeviceSweep::offer_octaves(LayerState& state) const {
  constexpr std::int64_t kWidth = 5;
  const auto* const numbers = found_octaves_.const_data_ptr<float>();
  for_parts_of_cells(numbers, found_octaves_.size(0), kWidth, [&](std::int64_t begin, std::int64_t end) {
    for (const float* one = numbers + begin * kWidth; one != numbers + end * kWidth; one += kWidth) {
      const std::uint64_t address = tokens_[static_cast<std::size_t>(one[3])].address;
      state.spread.offer(static_cast<std::int64_t>(one[0]) * kOctaves + static_cast<std::int64_t>(one[1]),
                         {-one[2], static_cast<std::uint32_t>(address)}, std::span(one + 4, 1));
    }
  });
}

void DeviceSweep::offer_random(LayerState& state) const {
  const auto* const coefficients = found_random_.const_data_ptr<float>();
  for (std::size_t i = 0; i < random_cells_.size(); ++i) {
    const auto token = static_cast<std::size_t>(random_tokens_[i]);
    const float score =
        ScanDraw::score(token_draws_[token], cell_draws_[static_cast<std::size_t>(random_cells_[i])]);
    state.random.offer(random_cells_[i], {score, static_cast<std::uint32_t>(tokens_[token].address)},
                       std::span(coefficients + i, 1));
  }
}

void DeviceSweep::settle(LayerState& state) {
  if (found_figures_.defined()) add_figures(state);
  if (found_.defined()) offer_candidates(state);
  if (found_octaves_.defined()) offer_octaves(state);
  if (found_random_.defined()) offer_random(state);
  for (at::Tensor* const tensor : {&found_figures_, &found_, &found_octaves_, &found_random_})
    tensor->reset();
}

void DeviceSweep::flush(LayerState& state) {
  settle(state);
  if (!histogram_.defined()) return;
  const at::Tensor counted = histogram_.t().contiguous().cpu();
  const auto* const bins = counted.const_data_ptr<std::int32_t>();
  auto* const counts = state.counts.histogram.data();
  at::parallel_for(0, counted.numel(), 1 << 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) counts[i] += static_cast<std::uint32_t>(bins[i]);
  });
  histogram_.zero_();
}

}  // namespace emend
