#include "memories/device_sweep.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/TensorIndexing.h>

#include <algorithm>
#include <limits>

namespace emend {

namespace {

constexpr float kBeyondAll = std::numeric_limits<float>::infinity();

at::Tensor upload_floats(const float* values, std::int64_t count, const at::Device& device) {
  return upload(std::vector<float>(values, values + count), at::kFloat, device);
}

// key[token, cell], element by element.
at::Tensor at_tokens(const at::Tensor& scores, const at::Tensor& tokens, const at::Tensor& cells) {
  return scores.index({tokens, cells});
}

}  // namespace

void DeviceSweep::set_rows(const PortionScores& portion) {
  rows_ = counted_rows(portion.tokens, include_first_);
  counted_ = 0;
  for (const CountedRow& row : rows_) counted_ += row.length;
  const at::Device device = portion.key.device();
  views_ = RowViews(rows_, device);
  std::vector<std::int64_t> begin, length;
  for (const CountedRow& row : rows_) {
    begin.push_back(row.begin);
    length.push_back(row.length);
  }
  row_begin_ = upload(begin, at::kLong, device);
  row_length_ = upload(length, at::kLong, device);
}

// Extremes of rows, and the figures of cells.
void DeviceSweep::take_figures(const PortionScores& portion, const LayerState& state) {
  const auto in_all = [](const at::Tensor& view) {
    return view.sum(at::IntArrayRef{0, 1}, false, at::kFloat);
  };
  // 1 where a number is positive, in its own type: a device adds those in float32 as it reads them, exactly
  // up to 2^24, where booleans would first become a tensor of float32.
  const auto positive = [](const at::Tensor& view) {
    return at::heaviside(view, at::zeros({}, view.options()));
  };
  const auto add = [](at::Tensor& to, const at::Tensor& more) { to = to.defined() ? to + more : more; };
  at::Tensor sum, squares, active, up, both;
  const std::vector<at::Tensor> keys = views_.of(portion.key);
  std::tie(row_least_, row_most_) = views_.extremes(keys);
  for (const at::Tensor& key : keys) {
    add(sum, in_all(key));
    add(squares, at::linalg_vector_norm(key, 2, at::IntArrayRef{0, 1}, false, at::kFloat).square());
    if (!state.shape.gated) add(active, in_all(positive(key)));
  }
  std::vector<at::Tensor> figures = {sum, squares, row_least_.amin(0), row_most_.amax(0)};
  if (state.shape.gated) {
    const std::vector<at::Tensor> gates = views_.of(portion.gate), ups = views_.of(portion.up);
    for (std::size_t i = 0; i < gates.size(); ++i) {
      const at::Tensor gate_open = positive(gates[i]), up_open = positive(ups[i]);
      add(active, in_all(gate_open));
      add(up, in_all(up_open));
      add(both, in_all(gate_open * up_open));
    }
    figures.insert(figures.end(), {active, up, both});
  } else {
    figures.push_back(active);
  }
  for (at::Tensor& one : figures) one = one.to(at::kFloat);
  figures_ = at::stack(figures);
}

// Histogram and draws by octave of the tokens in the sample: bins as coefficient_bins::bin_of has them.
void DeviceSweep::take_sample(const PortionScores& portion, const LayerState& state) {
  constexpr int kOfSign = coefficient_bins::kOfSign, kBegin = 2 * (127 + coefficient_bins::kFirstExponent);
  const at::Device device = portion.key.device();
  const std::int64_t cells = state.shape.cells;
  if (!histogram_.defined())
    histogram_ = at::zeros({coefficient_bins::kBins, cells}, at::TensorOptions(device).dtype(at::kInt));
  if (!cell_draw_.defined())
    cell_draw_ = upload(std::vector<std::int32_t>(cell_draws_.begin(), cell_draws_.end()), at::kInt, device);
  if (!spread_limit_.defined()) {
    const auto worst = upload_floats(state.spread.thresholds(), cells * kOctaves, device).neg();
    spread_limit_ = worst.clamp_max_(1 << 24).to(at::kLong).view({cells, kOctaves}).t().contiguous();
  }
  std::vector<std::int64_t> tokens;
  for (const CountedRow& row : rows_)
    for (std::int64_t at = row.begin; at < row.begin + row.length; ++at)
      if (draw_.in_sample(token_draws_[static_cast<std::size_t>(at)])) tokens.push_back(at);
  const auto address = [&](std::int64_t at) { return portion.tokens[static_cast<std::size_t>(at)].address; };
  std::sort(tokens.begin(), tokens.end(),
            [&](std::int64_t a, std::int64_t b) { return address(a) < address(b); });
  sample_.reset();
  sample_best_.reset();
  if (tokens.empty()) return;
  std::vector<std::int32_t> drawn;
  for (const std::int64_t at : tokens)
    drawn.push_back(static_cast<std::int32_t>(token_draws_[static_cast<std::size_t>(at)]));
  sample_index_ = upload(tokens, at::kLong, device);
  sample_ = portion.key.index_select(0, sample_index_).to(at::kFloat);
  const at::Tensor bits = sample_.view(at::kInt);
  at::Tensor bin = bits.bitwise_and(0x7FFFFFFF);
  bin = at::bitwise_right_shift(bin, 22).sub_(kBegin).clamp_(0, kOfSign - 1);
  bin = bin.bitwise_xor_(at::bitwise_right_shift(bits, 31)).add_(kOfSign).to(at::kLong);
  histogram_.scatter_add_(0, bin, at::ones({1, 1}, histogram_.options()).expand_as(bin));
  const at::Tensor number = upload(drawn, at::kInt, device).unsqueeze(1).bitwise_xor(cell_draw_);
  at::Tensor draw = at::bitwise_right_shift(number, ScanDraw::kUnusedBits).bitwise_and_(0xFFFFFF);
  const at::Tensor place = at::arange(bin.size(0), bin.options()).unsqueeze(1);
  draw = at::bitwise_left_shift(draw.to(at::kLong), 32).add_(place);
  sample_best_ = at::full({kOctaves, cells}, std::numeric_limits<std::int64_t>::max(), bin.options());
  sample_best_.scatter_reduce_(0, at::bitwise_right_shift(bin, 1), draw, "amin");
}

// Which tokens may be random examples of which cells is known without a coefficient.
void DeviceSweep::draw_random(const PortionScores& portion, const LayerState& state) {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> drawn;
  for (const CountedRow& row : rows_)
    for (std::int64_t at = row.begin; at < row.begin + row.length; ++at)
      drawn.emplace_back(token_draws_[static_cast<std::size_t>(at)], static_cast<std::uint32_t>(at));
  const NearestDraws nearest(std::move(drawn));
  using Found = std::pair<const std::uint32_t*, const std::uint32_t*>;
  std::vector<Found> found(static_cast<std::size_t>(state.shape.cells));
  at::parallel_for(0, state.shape.cells, 1024, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t cell = begin; cell < end; ++cell)
      found[static_cast<std::size_t>(cell)] =
          nearest.find(cell_draws_[static_cast<std::size_t>(cell)],
                       static_cast<std::size_t>(state.shape.random), state.random.thresholds()[cell]);
  });
  random_cells_.clear();
  random_tokens_.clear();
  for (std::size_t cell = 0; cell < found.size(); ++cell)
    for (const std::uint32_t* token = found[cell].first; token != found[cell].second; ++token) {
      random_cells_.push_back(static_cast<std::int64_t>(cell));
      random_tokens_.push_back(*token);
    }
  random_cell_ = upload(random_cells_, at::kLong, portion.key.device());
  random_token_ = upload(random_tokens_, at::kLong, portion.key.device());
}

void DeviceSweep::begin(const PortionScores& portion, LayerState& state) {
  settle(state);
  set_rows(portion);
  if (rows_.empty()) return;
  take_figures(portion, state);
  if (cell_draws_.empty())
    for (std::int64_t cell = 0; cell < state.shape.cells; ++cell) cell_draws_.push_back(draw_.of_cell(cell));
  token_draws_.assign(portion.tokens.size(), 0);
  for (std::size_t at = 0; at < portion.tokens.size(); ++at)
    token_draws_[at] = draw_.of_token(portion.tokens[at].address);
  take_sample(portion, state);
  draw_random(portion, state);
}

// The tokens of pairs of cell and row that may enter a table: of each pair the best at both ends.
at::Tensor DeviceSweep::best_of_rows(const PortionScores& portion, const LayerState& state,
                                     const at::Tensor& pairs, const at::Tensor& tokens) const {
  const at::Tensor cell = pairs.select(1, 0), begin = row_begin_.index_select(0, pairs.select(1, 1));
  const at::Tensor values = at_tokens(portion.key, tokens, cell.unsqueeze(1));
  const auto [high, high_at] = values.max(1);  // the first of equal ones
  const auto [low, low_at] = values.min(1);
  const at::Tensor at_high = begin + high_at, at_low = begin + low_at;
  std::vector<at::Tensor> columns = {cell, at_high, high, at_low, low};
  if (state.shape.gated)
    for (const at::Tensor& at : {at_high, at_low})
      for (const at::Tensor& scores : {portion.gate, portion.up})
        columns.push_back(at_tokens(scores, at, cell));
  for (at::Tensor& column : columns) column = column.to(at::kFloat);
  return at::stack(columns, 1);
}

// The same, of each pair all that reach the thresholds `limits` [2, F] and are among the top of their row.
at::Tensor DeviceSweep::all_of_rows(const PortionScores& portion, const LayerState& state,
                                    const at::Tensor& pairs, const at::Tensor& tokens,
                                    const at::Tensor& limits) const {
  const at::Tensor cell = pairs.select(1, 0), row = pairs.select(1, 1);
  const at::Tensor last = row_begin_.index_select(0, row) + row_length_.index_select(0, row) - 1;
  const at::Tensor place = at::arange(tokens.size(1), tokens.options());
  const at::Tensor there = row_begin_.index_select(0, row).unsqueeze(1) + place <= last.unsqueeze(1);
  const at::Tensor values = at_tokens(portion.key, tokens, cell.unsqueeze(1)).to(at::kFloat);
  const auto reaching = [&](const at::Tensor& signed_values, const at::Tensor& limit) {
    const at::Tensor scores = signed_values.masked_fill(~there, -kBeyondAll);
    at::Tensor reach = scores >= limit.index_select(0, cell).unsqueeze(1);
    if (scores.size(1) > state.shape.top)
      reach &= scores >= std::get<0>(scores.topk(state.shape.top, 1)).amin(1, true);
    return reach & there;
  };
  at::Tensor mask = reaching(values, limits[0]);
  if (!state.shape.one_ended) mask |= reaching(values.neg(), limits[1]);
  const at::Tensor found = mask.nonzero();
  const at::Tensor at_pair = found.select(1, 0), cells = cell.index_select(0, at_pair),
                   at = at_tokens(tokens, at_pair, found.select(1, 1));
  std::vector<at::Tensor> columns = {cells, at, at_tokens(values, at_pair, found.select(1, 1))};
  if (state.shape.gated)
    for (const at::Tensor& scores : {portion.gate, portion.up})
      columns.push_back(at_tokens(scores, at, cells));
  for (at::Tensor& column : columns) column = column.to(at::kFloat);
  return at::stack(columns, 1);
}

// Of rows [row, row + rows) what may enter the tables, sorted by cell.
at::Tensor DeviceSweep::candidates(const PortionScores& portion, const LayerState& state, std::int64_t row,
                                   std::int64_t rows) const {
  constexpr std::int64_t kAtOnce = std::int64_t{1} << 25;  // coefficients
  const at::Device device = portion.key.device();
  const std::int64_t cells = state.shape.cells;
  std::vector<float> worst(state.high.thresholds(), state.high.thresholds() + cells);
  if (state.shape.one_ended)
    worst.resize(static_cast<std::size_t>(2 * cells), kBeyondAll);
  else
    worst.insert(worst.end(), state.low.thresholds(), state.low.thresholds() + cells);
  const at::Tensor limits = upload(worst, at::kFloat, device).view({2, cells});
  at::Tensor reach = row_most_.narrow(0, row, rows) >= limits[0];
  if (!state.shape.one_ended) reach |= row_least_.narrow(0, row, rows).neg() >= limits[1];
  at::Tensor pairs = reach.t().nonzero();  // [P, 2]: cell, row
  if (row > 0) pairs.select(1, 1).add_(row);
  std::int64_t longest = 1;
  for (std::int64_t i = row; i < row + rows; ++i)
    longest = std::max(longest, rows_[static_cast<std::size_t>(i)].length);
  const at::Tensor place = at::arange(longest, pairs.options());
  std::vector<at::Tensor> parts;
  const std::int64_t at_once = std::max<std::int64_t>(1, kAtOnce / longest);
  for (std::int64_t first = 0; first == 0 || first < pairs.size(0); first += at_once) {
    const at::Tensor part = pairs.narrow(0, first, std::min(at_once, pairs.size(0) - first));
    const at::Tensor of_row = part.select(1, 1);
    const at::Tensor tokens =
        row_begin_.index_select(0, of_row).unsqueeze(1) +
        at::minimum(place, row_length_.index_select(0, of_row).unsqueeze(1) - 1);  // [P, longest]
    parts.push_back(state.shape.dedup == Dedup::kNone ? all_of_rows(portion, state, part, tokens, limits)
                                                      : best_of_rows(portion, state, part, tokens));
  }
  return at::cat(parts);
}

// Tokens whose draw is below that of their octave's example: [n, 5].
at::Tensor DeviceSweep::drawn_of_octaves() const {
  const at::Tensor draw = at::bitwise_right_shift(sample_best_, 32);
  const at::Tensor pairs = (draw <= spread_limit_).t().nonzero();  // cell, octave
  const at::Tensor cell = pairs.select(1, 0), octave = pairs.select(1, 1);
  const at::Tensor place = at_tokens(sample_best_, octave, cell).bitwise_and(0xFFFFFFFF);
  std::vector<at::Tensor> columns = {cell, octave, at_tokens(draw, octave, cell),
                                     sample_index_.index_select(0, place), at_tokens(sample_, place, cell)};
  for (at::Tensor& column : columns) column = column.to(at::kFloat);
  return at::stack(columns, 1);
}

std::int64_t DeviceSweep::find_bad(const PortionScores& portion) const {
  const at::Tensor bad = at::isfinite(portion.key).all(1).logical_not().cpu();
  for (const CountedRow& row : rows_)
    for (std::int64_t at = row.begin; at < row.begin + row.length; ++at)
      if (bad[at].item<bool>()) return at;
  return rows_.front().begin;  // squares beyond float32
}

std::int64_t DeviceSweep::select(const PortionScores& portion, LayerState& state) {
  if (rows_.empty()) return -1;
  const at::Tensor figures = figures_.cpu();
  if (!at::isfinite(figures.narrow(0, 0, 2)).all().item<bool>()) return find_bad(portion);
  found_figures_ = figures;
  tokens_.assign(portion.tokens.begin(), portion.tokens.end());
  found_random_ = at_tokens(portion.key, random_token_, random_cell_).to(at::kFloat).cpu();
  if (sample_best_.defined()) {
    found_octaves_ = drawn_of_octaves();
    spread_limit_ = at::minimum(spread_limit_, at::bitwise_right_shift(sample_best_, 32));
    found_octaves_ = found_octaves_.cpu();
  }
  // Tables that hold little let much in: then few rows at a time, as many as were taken before.
  const auto rows = static_cast<std::int64_t>(rows_.size());
  const std::int64_t least = state.shape.dedup == Dedup::kNone ? 1 : state.shape.top;
  for (std::int64_t row = 0; row < rows;) {
    if (row > 0) settle(state);
    const std::int64_t taken = std::min(rows - row, std::max(least, rows_seen_));
    found_ = candidates(portion, state, row, taken).cpu();
    rows_seen_ += taken;
    row += taken;
  }
  for (at::Tensor* const tensor : {&sample_, &sample_best_, &row_most_, &row_least_, &figures_})
    tensor->reset();
  return -1;
}

}  // namespace emend
