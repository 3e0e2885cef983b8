#include "memories/kernel_sweep.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <map>
#include <mutex>

#include "emend/error.h"
#include "memories/kernel_check.h"
#include "memories/row_views.h"
#include "memories/sweep_arguments.h"

namespace emend {

namespace {

using sweep_kernels::SweepArguments;
using Step = DeviceKernels::Step;

constexpr std::uint32_t kLargestDraw = 0xFFFFFF;
constexpr std::int64_t kNoBad = -1;  // as a number without sign the largest

template <typename To>
To* data_of(const at::Tensor& tensor) {
  return tensor.defined() && tensor.numel() > 0 ? static_cast<To*>(tensor.data_ptr()) : nullptr;
}

// Can two neighbours of 16 bits be read as one number?
bool lies_in_pairs(const at::Tensor& scores) {
  return !scores.defined() ||
         (scores.element_size() == 2 && scores.stride(0) % 2 == 0 && scores.size(1) % 2 == 0 &&
          reinterpret_cast<std::uintptr_t>(scores.data_ptr()) % 4 == 0);
}

// kernel_fault, looked for once a process.
std::string fault_once(const at::Device& device, at::ScalarType type) {
  static std::mutex mutex;
  static std::map<std::pair<std::string, at::ScalarType>, std::string> known;
  const std::lock_guard lock(mutex);
  const auto key = std::pair(device.str(), type);
  auto found = known.find(key);
  if (found == known.end()) found = known.emplace(key, kernel_fault(device, type)).first;
  return found->second;
}

}  // namespace

bool KernelSweep::can_take(const StateShape& shape, at::ScalarType type, const at::Device& device,
                           std::string* why_not) {
  const auto refuse = [&](std::string why) {
    if (why_not != nullptr) *why_not = std::move(why);
    return false;
  };
  if (shape.dedup != Dedup::kWindow)
    return refuse("the tables keep more or less than the best token of a row");
  if (type != at::kFloat && type != at::kBFloat16 && type != at::kHalf)
    return refuse(fmt::format("there are no kernels for {}", c10::toString(type)));
  if (device.is_cpu()) return DeviceKernels::of(device, why_not) != nullptr;
  const at::Device numbered(device.type(), device.has_index() ? device.index() : at::DeviceIndex{0});
  if (DeviceKernels::of(numbered, why_not) == nullptr) return false;
  const std::string fault = fault_once(numbered, type);
  return fault.empty() || refuse(fault);
}

// ---- the state of the layer, there and back

std::uint64_t KernelSweep::bits_of(const TableEntry& entry, ScoreOf kind) {
  const std::uint32_t score = kind == ScoreOf::kDraw ? kLargestDraw - static_cast<std::uint32_t>(-entry.score)
                                                     : sweep_kernels::ordered(entry.score);
  return sweep_kernels::entry_of(score, entry.address);
}

TableEntry KernelSweep::entry_in(std::uint64_t bits, ScoreOf kind) {
  const auto score = static_cast<std::uint32_t>(bits >> 32);
  return {
      kind == ScoreOf::kDraw ? -static_cast<float>(kLargestDraw - score) : sweep_kernels::unordered(score),
      0xFFFFFFFFU - static_cast<std::uint32_t>(bits)};
}

// A table of several rows a cell (of octaves) has as many places there as it has rows.
KernelSweep::Table KernelSweep::sent(const TriggerTable& table, ScoreOf kind,
                                     const at::Device& device) const {
  const std::int64_t places = table.cells() * table.top() / cells_, extras = table.extras();
  const at::TensorOptions options(device);
  if (tokens_ == 0)
    return {kind, at::zeros({places, cells_}, options.dtype(at::kLong)),
            at::zeros({places, extras, cells_}, options.dtype(at::kFloat))};
  const at::Tensor entries = at::zeros({cells_, places}, at::kLong);
  auto* const to = entries.data_ptr<std::int64_t>();
  at::parallel_for(0, entries.numel(), 1 << 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const TableEntry entry{table.scores()[at], table.addresses()[at]};
      if (entry.address != TriggerTable::kNoAddress)
        to[i] = std::bit_cast<std::int64_t>(bits_of(entry, kind));
    }
  });
  const at::Tensor numbers = at::empty({cells_, places, extras}, at::kFloat);
  std::copy(table.all_extras().begin(), table.all_extras().end(), numbers.data_ptr<float>());
  return {kind, entries.t().contiguous().to(device), numbers.permute({1, 2, 0}).contiguous().to(device)};
}

void KernelSweep::fetch_table(const Table& table, TriggerTable& to) {
  const at::Tensor entries = table.entries.t().contiguous().cpu(),
                   numbers = table.extras.permute({2, 0, 1}).contiguous().cpu();
  const auto count = static_cast<std::size_t>(entries.numel());
  const auto* const from = entries.const_data_ptr<std::int64_t>();
  std::vector<float> scores(count, TriggerTable::kNoFloor);
  std::vector<std::uint32_t> addresses(count, TriggerTable::kNoAddress);
  at::parallel_for(0, entries.numel(), 1 << 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      if (from[i] == 0) continue;
      const TableEntry entry = entry_in(std::bit_cast<std::uint64_t>(from[i]), table.kind);
      scores[static_cast<std::size_t>(i)] = entry.score;
      addresses[static_cast<std::size_t>(i)] = entry.address;
    }
  });
  const auto* const kept = numbers.const_data_ptr<float>();
  if (!to.restore(std::move(scores), std::move(addresses), std::vector<float>(kept, kept + numbers.numel()),
                  {}))
    throw Error(ErrorKind::kNumeric, "the tables of a scan came back from the device out of order");
}

void KernelSweep::send(const LayerState& state, const at::Device& device) {
  const StateShape& shape = state.shape;
  cells_ = shape.cells;
  one_ended_ = shape.one_ended;
  tokens_ = state.counts.tokens;
  high_ = sent(state.high, ScoreOf::kCoefficient, device);
  if (!one_ended_) low_ = sent(state.low, ScoreOf::kCoefficient, device);
  random_ = sent(state.random, ScoreOf::kDraw, device);
  spread_ = sent(state.spread, ScoreOf::kDraw, device);
  const CellCounts& counts = state.counts;
  const auto cells = static_cast<std::size_t>(cells_);
  std::vector<std::int32_t> draws(cells);
  std::vector<std::int64_t> sums(4 * cells), whole(3 * cells);
  std::vector<float> extremes(2 * cells);
  for (std::size_t c = 0; c < cells; ++c) {
    draws[c] = static_cast<std::int32_t>(draw_.of_cell(static_cast<std::int64_t>(c)));
    sums[c] = counts.sum[c].whole;
    sums[cells + c] = counts.sum[c].fraction;
    sums[2 * cells + c] = counts.squares[c].whole;
    sums[3 * cells + c] = counts.squares[c].fraction;
    whole[c] = counts.active[c];
    whole[cells + c] = counts.up_only[c] + counts.both[c];
    whole[2 * cells + c] = counts.both[c];
    extremes[c] = counts.least[c];
    extremes[cells + c] = counts.most[c];
  }
  cell_draw_ = upload(draws, at::kInt, device);
  sums_ = upload(sums, at::kLong, device);
  counts_ = upload(whole, at::kLong, device);
  extremes_ = upload(extremes, at::kFloat, device);
  const at::Tensor bins = at::empty({cells_, coefficient_bins::kBins}, at::kInt);
  std::copy(counts.histogram.begin(), counts.histogram.end(), bins.data_ptr<std::int32_t>());
  histogram_ = bins.t().contiguous().to(device);
  bad_ = at::full({1}, kNoBad, at::TensorOptions(device).dtype(at::kLong));
}

void KernelSweep::fetch(LayerState& state) {
  if (fetched_) return;
  fetch_table(high_, state.high);
  if (!one_ended_) fetch_table(low_, state.low);
  fetch_table(random_, state.random);
  fetch_table(spread_, state.spread);
  const at::Tensor sums = sums_.cpu(), whole = counts_.cpu(), extremes = extremes_.cpu(),
                   bins = histogram_.t().contiguous().cpu();
  const auto* const sum = sums.const_data_ptr<std::int64_t>();
  const auto* const count = whole.const_data_ptr<std::int64_t>();
  const auto* const extreme = extremes.const_data_ptr<float>();
  CellCounts& counts = state.counts;
  counts.tokens = tokens_;
  for (std::int64_t i = 0; i < cells_; ++i) {
    const auto c = static_cast<std::size_t>(i);
    counts.sum[c] = {sum[i], sum[cells_ + i]};
    counts.squares[c] = {sum[2 * cells_ + i], sum[3 * cells_ + i]};
    counts.active[c] = count[i];
    counts.both[c] = count[2 * cells_ + i];
    counts.gate_only[c] = count[i] - count[2 * cells_ + i];
    counts.up_only[c] = count[cells_ + i] - count[2 * cells_ + i];
    counts.least[c] = extreme[i];
    counts.most[c] = extreme[cells_ + i];
  }
  const auto* const bin = bins.const_data_ptr<std::int32_t>();
  std::copy(bin, bin + bins.numel(), counts.histogram.begin());
  fetched_ = true;
}

void KernelSweep::forget() {
  high_ = low_ = random_ = spread_ = {};
  for (at::Tensor* const tensor : {&cell_draw_, &sums_, &counts_, &extremes_, &histogram_, &bad_})
    tensor->reset();
  fetched_ = true;
}

std::optional<KernelSweep::Bad> KernelSweep::find_bad() const {
  if (!bad_.defined()) return std::nullopt;
  const std::int64_t found = bad_.item<std::int64_t>();
  if (found == kNoBad) return std::nullopt;
  const auto bits = std::bit_cast<std::uint64_t>(found);
  return Bad{bits >> 32, static_cast<int>(bits & 0xFFFFFFFF)};
}

// ---- a portion

// One tensor of whole numbers, of which the pointers are parts.
struct KernelSweep::Places {
  at::Tensor numbers;
  const std::int32_t *row_begin, *row_length, *address, *counted_at, *counted_draw, *sample_at, *sample_draw;
  int rows, counted, sampled;
};

KernelSweep::Places KernelSweep::send_places(const PortionScores& portion,
                                             const std::vector<CountedRow>& rows) const {
  std::vector<std::int32_t> begins, lengths, addresses, at, draws, sample_at, sample_draws;
  for (const TextToken& token : portion.tokens) addresses.push_back(static_cast<std::int32_t>(token.address));
  for (const CountedRow& row : rows) {
    begins.push_back(static_cast<std::int32_t>(row.begin));
    lengths.push_back(static_cast<std::int32_t>(row.length));
    for (std::int64_t i = row.begin; i < row.begin + row.length; ++i) {
      const std::uint32_t draw = draw_.of_token(portion.tokens[static_cast<std::size_t>(i)].address);
      at.push_back(static_cast<std::int32_t>(i));
      draws.push_back(static_cast<std::int32_t>(draw));
      if (!draw_.in_sample(draw)) continue;
      sample_at.push_back(static_cast<std::int32_t>(i));
      sample_draws.push_back(static_cast<std::int32_t>(draw));
    }
  }
  std::vector<std::int32_t> all;
  std::vector<std::size_t> offsets;
  for (const auto* const part : {&begins, &lengths, &addresses, &at, &draws, &sample_at, &sample_draws}) {
    offsets.push_back(all.size());
    all.insert(all.end(), part->begin(), part->end());
  }
  Places places;
  places.numbers = upload(all, at::kInt, portion.key.device());
  const auto* const begin = places.numbers.const_data_ptr<std::int32_t>();
  const std::int32_t** const pointers[] = {&places.row_begin,  &places.row_length,   &places.address,
                                           &places.counted_at, &places.counted_draw, &places.sample_at,
                                           &places.sample_draw};
  for (std::size_t i = 0; i < offsets.size(); ++i) *pointers[i] = begin + offsets[i];
  places.rows = static_cast<int>(rows.size());
  places.counted = static_cast<int>(at.size());
  places.sampled = static_cast<int>(sample_at.size());
  return places;
}

void KernelSweep::set_state(SweepArguments& a) const {
  const auto table_of = [](const Table& table) {
    if (!table.entries.defined()) return sweep_kernels::SweepTable{};
    return sweep_kernels::SweepTable{data_of<unsigned long long>(table.entries), data_of<float>(table.extras),
                                     static_cast<int>(table.entries.size(0)),
                                     static_cast<int>(table.extras.size(1))};
  };
  a.cells = static_cast<int>(cells_);
  a.high = table_of(high_);
  a.low = table_of(low_);
  a.random = table_of(random_);
  a.spread = table_of(spread_);
  // Of cells with one end zeros do not enter: no entry with that score is above the one of address 0.
  a.above = one_ended_ ? sweep_kernels::entry_of(sweep_kernels::ordered(0), 0) : 0;
  a.two_ended = one_ended_ ? 0 : 1;
  a.sums = data_of<long long>(sums_);
  a.counts = data_of<long long>(counts_);
  a.extremes = data_of<float>(extremes_);
  a.histogram = data_of<int>(histogram_);
  a.bad = data_of<unsigned long long>(bad_);
  a.cell_draw = data_of<unsigned>(cell_draw_);
}

// Some rows at a time, which bounds what is kept of each: kRows [F] entries at both ends and their figures.
void KernelSweep::sweep_rows(const DeviceKernels& kernels, const PortionScores& portion, std::int64_t rows,
                             SweepArguments a) const {
  constexpr std::int64_t kRows = 256;
  const bool gated = portion.gate.defined();
  const bool pairs =
      lies_in_pairs(portion.key) && (!gated || (lies_in_pairs(portion.gate) && lies_in_pairs(portion.up)));
  const at::TensorOptions options(portion.key.device());
  const std::int64_t most = std::min(rows, kRows);
  const at::Tensor entries = at::empty({2, most, cells_}, options.dtype(at::kLong)),
                   sums = at::empty({2, most, cells_}, options.dtype(at::kFloat)),
                   counts = at::empty({gated ? 3 : 1, most, cells_}, options.dtype(at::kInt)),
                   extras = at::empty({gated ? 4 : 0, most, cells_}, options.dtype(at::kFloat));
  a.row_high = data_of<unsigned long long>(entries);
  a.row_low = a.row_high + most * cells_;
  a.row_sum = data_of<float>(sums);
  a.row_squares = a.row_sum + most * cells_;
  a.row_counts = data_of<unsigned>(counts);
  a.row_extras = data_of<float>(extras);
  const at::ScalarType type = portion.key.scalar_type();
  for (std::int64_t first = 0; first < rows; first += most) {
    a.rows = static_cast<int>(std::min(most, rows - first));
    kernels.launch(pairs ? Step::kSweepPairs : Step::kSweep, type, pairs ? cells_ / 2 : cells_, a.rows, a);
    tell("rows");
    kernels.launch(Step::kMerge, type, cells_, 2, a);
    tell("tables");
    a.row_begin += a.rows;
    a.row_length += a.rows;
  }
}

void KernelSweep::take(PortionScores portion, const LayerState& state) {
  for (at::Tensor* const scores : {&portion.key, &portion.gate, &portion.up})
    if (scores->defined() && scores->stride(1) != 1) *scores = scores->contiguous();
  const at::Device device = portion.key.device();
  const DeviceKernels& kernels = *DeviceKernels::of(device);
  const std::vector<CountedRow> rows = counted_rows(portion.tokens, include_first_);
  if (rows.empty()) return;
  tell("begin");
  if (!high_.entries.defined()) send(state, device);
  tell("state");
  const Places places = send_places(portion, rows);
  tell("places");
  const auto draws = [](const std::int32_t* numbers) { return reinterpret_cast<const unsigned*>(numbers); };
  SweepArguments a{};
  set_state(a);
  a.key = portion.key.const_data_ptr();
  a.key_stride = portion.key.stride(0);
  if (portion.gate.defined()) {
    a.gate = portion.gate.const_data_ptr();
    a.up = portion.up.const_data_ptr();
    a.gate_stride = portion.gate.stride(0);
    a.up_stride = portion.up.stride(0);
  }
  a.row_begin = places.row_begin;
  a.row_length = places.row_length;
  a.address = draws(places.address);
  a.counted = places.counted;
  a.counted_at = places.counted_at;
  a.counted_draw = draws(places.counted_draw);
  a.sampled = places.sampled;
  a.sample_at = places.sample_at;
  a.sample_draw = draws(places.sample_draw);
  sweep_rows(kernels, portion, places.rows, a);
  const at::ScalarType type = portion.key.scalar_type();
  if (a.random.top > 0) kernels.launch(Step::kDraw, type, cells_, 1, a);
  tell("random examples");
  if (a.sampled > 0) kernels.launch(Step::kBins, type, cells_, 1, a);
  tell("histogram and octaves");
  tokens_ += places.counted;
  fetched_ = false;
}

}  // namespace emend
