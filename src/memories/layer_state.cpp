#include "memories/layer_state.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "emend/error.h"

namespace emend {

namespace {

template <typename Value>
at::Tensor as_tensor(const std::vector<Value>& values, at::ScalarType type, at::IntArrayRef shape) {
  at::Tensor tensor = at::empty(shape, type);
  std::copy(values.begin(), values.end(), static_cast<Value*>(tensor.data_ptr()));
  return tensor;
}

template <typename Value>
std::vector<Value> as_list(const TensorFile& file, const std::string& name, const std::string& type,
                           std::size_t count) {
  const at::Tensor tensor = stored_tensor(file, name, type);
  if (static_cast<std::size_t>(tensor.numel()) != count)
    throw Error(ErrorKind::kFormat, fmt::format("{}: the tensor {} has {} numbers, {} are expected",
                                                file.path().string(), name, tensor.numel(), count));
  const auto* const data = static_cast<const Value*>(tensor.const_data_ptr());
  return std::vector<Value>(data, data + count);
}

void add_table(FileWriter& writer, const std::string& name, const TriggerTable& table) {
  const std::int64_t cells = table.cells(), top = table.top();
  writer.add(name + ".score", as_tensor(table.scores(), at::kFloat, {cells, top}));
  writer.add(name + ".address", as_tensor(table.addresses(), at::kUInt32, {cells, top}));
  if (table.extras() > 0)
    writer.add(name + ".extra", as_tensor(table.all_extras(), at::kFloat, {cells, top, table.extras()}));
  if (table.grouped())
    writer.add(name + ".group",
               as_tensor(std::vector<std::int64_t>(table.groups().begin(), table.groups().end()), at::kLong,
                         {cells, top}));
}

void read_table(const TensorFile& file, const std::string& name, TriggerTable& table) {
  const std::size_t entries = table.scores().size();
  std::vector<float> extras;
  std::vector<std::uint64_t> groups;
  if (table.extras() > 0)
    extras = as_list<float>(file, name + ".extra", "F32", entries * static_cast<std::size_t>(table.extras()));
  if (table.grouped()) groups = as_list<std::uint64_t>(file, name + ".group", "I64", entries);
  if (!table.restore(as_list<float>(file, name + ".score", "F32", entries),
                     as_list<std::uint32_t>(file, name + ".address", "U32", entries), std::move(extras),
                     std::move(groups)))
    throw Error(ErrorKind::kFormat,
                fmt::format("{}: the tensor {}.score is not in order", file.path().string(), name));
}

void add_sums(FileWriter& writer, const std::string& name, const std::vector<ExactSum>& sums) {
  std::vector<std::int64_t> parts;
  for (const ExactSum& sum : sums) parts.insert(parts.end(), {sum.whole, sum.fraction});
  writer.add(name, as_tensor(parts, at::kLong, {static_cast<std::int64_t>(sums.size()), 2}));
}

std::vector<ExactSum> read_sums(const TensorFile& file, const std::string& name, std::size_t cells) {
  const auto parts = as_list<std::int64_t>(file, name, "I64", 2 * cells);
  std::vector<ExactSum> sums;
  for (std::size_t i = 0; i < cells; ++i) sums.push_back({parts[2 * i], parts[2 * i + 1]});
  return sums;
}

void add_counts(FileWriter& writer, const std::string& prefix, const CellCounts& counts, bool gated) {
  const std::int64_t cells = counts.cells();
  writer.add(prefix + "tokens", std::vector<std::int64_t>{counts.tokens});
  writer.add(prefix + "active", counts.active);
  if (gated) {
    writer.add(prefix + "quadrant.both", counts.both);
    writer.add(prefix + "quadrant.gate_only", counts.gate_only);
    writer.add(prefix + "quadrant.up_only", counts.up_only);
  }
  add_sums(writer, prefix + "sum", counts.sum);
  add_sums(writer, prefix + "squares", counts.squares);
  writer.add(prefix + "least", as_tensor(counts.least, at::kFloat, {cells}));
  writer.add(prefix + "most", as_tensor(counts.most, at::kFloat, {cells}));
  writer.add(prefix + "histogram",
             as_tensor(counts.histogram, at::kUInt32, {cells, coefficient_bins::kBins}));
}

void read_counts(const TensorFile& file, const std::string& prefix, bool gated, CellCounts& counts) {
  const auto cells = static_cast<std::size_t>(counts.cells());
  const auto numbers = [&](const char* name) {
    return as_list<std::int64_t>(file, prefix + name, "I64", cells);
  };
  counts.tokens = as_list<std::int64_t>(file, prefix + "tokens", "I64", 1).front();
  counts.active = numbers("active");
  if (gated) {
    counts.both = numbers("quadrant.both");
    counts.gate_only = numbers("quadrant.gate_only");
    counts.up_only = numbers("quadrant.up_only");
  }
  counts.sum = read_sums(file, prefix + "sum", cells);
  counts.squares = read_sums(file, prefix + "squares", cells);
  counts.least = as_list<float>(file, prefix + "least", "F32", cells);
  counts.most = as_list<float>(file, prefix + "most", "F32", cells);
  counts.histogram =
      as_list<std::uint32_t>(file, prefix + "histogram", "U32", cells * coefficient_bins::kBins);
}

int extras_of(const StateShape& shape) {
  return shape.gated ? 2 : 0;
}

bool is_grouped(const StateShape& shape) {
  return shape.dedup == Dedup::kSuffix;
}

}  // namespace

StateShape StateShape::of(const Model& model, int layer, const ScanOptions& options) {
  const BlockSpec& spec = model.config().spec(layer);
  StateShape shape;
  shape.cells = model.config().d_ff;
  shape.gated = spec.gated_mlp;
  shape.one_ended = !spec.gated_mlp && spec.activation == ActivationKind::kRelu;
  shape.top = options.top;
  shape.random = options.random;
  shape.dedup = options.dedup;
  return shape;
}

LayerState::LayerState(const StateShape& made_for)
    : shape(made_for),
      counts(made_for.cells),
      high(made_for.cells, made_for.top, extras_of(made_for),
           made_for.one_ended ? 0.0F : TriggerTable::kNoFloor, is_grouped(made_for)),
      random(made_for.cells, made_for.random, 1),
      spread(made_for.cells * kSpreadBins, 1, 1) {
  if (!shape.one_ended)
    low = TriggerTable(shape.cells, shape.top, extras_of(shape), TriggerTable::kNoFloor, is_grouped(shape));
}

void LayerState::merge(const LayerState& other) {
  counts.merge(other.counts);
  high.merge(other.high);
  low.merge(other.low);
  random.merge(other.random);
  spread.merge(other.spread);
}

std::int64_t LayerState::table_bytes(const StateShape& shape) {
  return (shape.one_ended ? 1 : 2) *
         TriggerTable::bytes(shape.cells, shape.top, extras_of(shape), is_grouped(shape));
}

std::int64_t LayerState::other_bytes(const StateShape& shape) {
  constexpr std::int64_t kNumbers = 4 * sizeof(std::int64_t) + 2 * sizeof(ExactSum) + 2 * sizeof(float);
  constexpr std::int64_t kHistogram = coefficient_bins::kBins * sizeof(std::uint32_t);
  return shape.cells * (kNumbers + kHistogram) + TriggerTable::bytes(shape.cells, shape.random, 1, false) +
         TriggerTable::bytes(shape.cells * kSpreadBins, 1, 1, false);
}

void add_layer_state(FileWriter& writer, const std::string& prefix, const LayerState& state) {
  add_counts(writer, prefix, state.counts, state.shape.gated);
  add_table(writer, prefix + "high", state.high);
  if (!state.shape.one_ended) add_table(writer, prefix + "low", state.low);
  add_table(writer, prefix + "random", state.random);
  add_table(writer, prefix + "spread", state.spread);
}

LayerState read_layer_state(const TensorFile& file, const std::string& prefix, const StateShape& shape) {
  LayerState state(shape);
  read_counts(file, prefix, shape.gated, state.counts);
  read_table(file, prefix + "high", state.high);
  if (!shape.one_ended) read_table(file, prefix + "low", state.low);
  read_table(file, prefix + "random", state.random);
  read_table(file, prefix + "spread", state.spread);
  return state;
}

}  // namespace emend
