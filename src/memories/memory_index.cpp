// An index as it is read: the head at once, a layer when one of its cells is asked for.
#include "emend/memory_index.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/text_file.h"
#include "base/layer_number.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/memory_labels.h"
#include "emend/memory_values.h"
#include "memories/index_files.h"
#include "memories/index_text.h"

namespace emend {

namespace fs = std::filesystem;

// A layer of an index in memory. Not in the unnamed namespace: MemoryIndex::State holds it.
struct LoadedIndexLayer {
  LayerState state;
  std::vector<float> value_norms;
  std::vector<bool> dead;
};

namespace {

// Tokens of the row that are shown around an example.
constexpr std::int64_t kBefore = 48, kAfter = 12;

// The values that were computed into an index, which must be of its model.
std::optional<StoredValues> load_values(const fs::path& folder, int number, const MemoryIndexHead& head) {
  std::optional<StoredValues> values = read_values(folder, number);
  if (!values) return values;
  if (values->model_fingerprint != head.model_fingerprint || values->table.norm.numel() != head.cells)
    throw Error(ErrorKind::kFormat,
                fmt::format("{}: these values are of another model than the index; reading the values "
                            "into the index writes them again",
                            value_file(folder, number).string()));
  return values;
}

LoadedIndexLayer load_layer(const fs::path& path, int number, const MemoryIndexHead& head) {
  const auto file = open_safetensors(path);
  if (metadata_of(*file, "fingerprint") != head.fingerprint)
    throw Error(ErrorKind::kFormat,
                path.string() + ": this layer is of another scan than index.json beside it");
  if (const std::int64_t stored = metadata_number(*file, "layer"); stored != number)
    throw Error(ErrorKind::kFormat,
                fmt::format("{}: this file holds layer {}, and its name is that of layer {}", path.string(),
                            stored, number));
  LoadedIndexLayer layer{read_layer_state(*file, "", shape_of(head)), {}, {}};
  const at::Tensor norms = stored_tensor(*file, "value_norm", "F32");
  if (norms.numel() != head.cells)
    throw Error(ErrorKind::kFormat, path.string() + ": value_norm does not have a number for each cell");
  const auto* const data = norms.const_data_ptr<float>();
  layer.value_norms.assign(data, data + norms.numel());
  layer.dead = dead_cells({number, &layer.state, layer.value_norms});
  return layer;
}

}  // namespace

struct MemoryIndex::State {
  fs::path folder;
  IndexHead index;
  IndexText text;
  CellLabels labels;
  mutable std::map<int, LoadedIndexLayer> loaded;             // the last one that was asked for
  mutable std::map<int, std::optional<StoredValues>> values;  // the same; none before emend memories values

  const LoadedIndexLayer& layer(int number) const {
    if (!loaded.contains(number)) {
      LoadedIndexLayer fresh = load_layer(index_layer_file(folder, number), number, index.head);
      loaded.clear();
      loaded.emplace(number, std::move(fresh));
    }
    return loaded.at(number);
  }

  const std::optional<StoredValues>& values_of(int number) const {
    if (!values.contains(number)) {
      std::optional<StoredValues> fresh = load_values(folder, number, index.head);
      values.clear();
      values.emplace(number, std::move(fresh));
    }
    return values.at(number);
  }

  MemoryExample example(std::uint64_t address, float coefficient, const LoadedIndexLayer& layer,
                        std::int64_t cell) const;
  std::vector<MemoryExample> tail(const TriggerTable& table, std::int64_t cell, float sign,
                                  const LoadedIndexLayer& layer) const;
  CellValue value(const StoredValues& stored, std::int64_t cell) const;
  void require_cell(MemoryId memory) const;
};

namespace {

// The share of a cell's tokens with a lower coefficient, by its histogram, which may be of a sample of them;
// within a bin as if spread evenly.
double share_below(const CellCounts& counts, std::int64_t cell, float coefficient) {
  const int bin = coefficient_bins::bin_of(coefficient);
  const std::uint32_t* const bins =
      counts.histogram.data() + static_cast<std::size_t>(cell) * coefficient_bins::kBins;
  double below = 0, total = 0;
  for (int b = 0; b < coefficient_bins::kBins; ++b) {
    total += bins[b];
    if (b < bin) below += bins[b];
  }
  if (total == 0) return 0;
  const auto at = static_cast<std::size_t>(cell);
  const double low = std::max<double>(counts.least[at], coefficient_bins::low_edge(bin)),
               high = std::min<double>(counts.most[at], coefficient_bins::high_edge(bin));
  if (high > low) below += bins[bin] * std::clamp((coefficient - low) / (high - low), 0.0, 1.0);
  return below / total;
}

}  // namespace

MemoryExample MemoryIndex::State::example(std::uint64_t address, float coefficient,
                                          const LoadedIndexLayer& layer, std::int64_t cell) const {
  const auto place = text.find(address);
  if (!place)
    throw Error(ErrorKind::kFormat,
                fmt::format("{}: an example stands at token {}, which the text does not have",
                            index_text_file(folder).string(), address));
  const IndexText::Row& row = *place->row;
  MemoryExample example;
  example.coefficient = coefficient;
  example.document = row.document;
  example.window = row.window;
  example.position = place->position;
  example.token_id = text.id(*place);
  example.next_id = text.next(*place);
  example.text = text.decode(row, place->position + 1 - kBefore, place->position + 1);
  example.token = text.token(example.token_id);
  if (example.next_id) example.next = text.token(*example.next_id);
  example.after = text.decode(row, place->position + 1, place->position + 1 + kAfter);
  example.source = text.name(row.document);
  example.share = share_below(layer.state.counts, cell, coefficient);
  return example;
}

std::vector<MemoryExample> MemoryIndex::State::tail(const TriggerTable& table, std::int64_t cell, float sign,
                                                    const LoadedIndexLayer& layer) const {
  std::vector<MemoryExample> examples;
  for (std::size_t place = 0; place < table.size(cell); ++place) {
    const TableEntry entry = table.entry(cell, place);
    examples.push_back(example(entry.address, sign * entry.score + 0.0F, layer, cell));  // -0 is 0
    if (table.extras() < 2) continue;
    examples.back().gate = table.extra(cell, place)[0];
    examples.back().up = table.extra(cell, place)[1];
  }
  return examples;
}

CellValue MemoryIndex::State::value(const StoredValues& stored, std::int64_t cell) const {
  const auto tokens = [&](const at::Tensor& ids, const at::Tensor& logits) {
    std::vector<ValueToken> list;
    for (std::int64_t k = 0; k < ids.size(1); ++k) {
      const auto id = ids[cell][k].item<std::int64_t>();
      list.push_back({id, text.token(id), logits[cell][k].item<double>()});
    }
    return list;
  };
  const ValueTable& table = stored.table;
  return {tokens(table.top_ids, table.top_logits), tokens(table.bottom_ids, table.bottom_logits),
          stored.lens};
}

const std::vector<double>& quantile_shares() {
  static const std::vector<double> shares(std::begin(kQuantiles), std::end(kQuantiles));
  return shares;
}

std::vector<double> histogram_edges() {
  std::vector<double> edges;
  for (int bin = 0; bin < coefficient_bins::kBins; ++bin) edges.push_back(coefficient_bins::low_edge(bin));
  edges.push_back(coefficient_bins::high_edge(coefficient_bins::kBins - 1));
  return edges;
}

MemoryIndex::MemoryIndex(const fs::path& folder) {
  IndexHead index = read_head(require_index(folder));
  IndexText text(index_text_file(folder), index.head.prefix.size());
  if (text.fingerprint() != index.head.corpus_fingerprint)
    throw Error(ErrorKind::kFormat, index_text_file(folder).string() +
                                        ": this text is of another scan than index.json beside it");
  state_ =
      std::make_unique<State>(State{folder, std::move(index), std::move(text), read_labels(folder), {}, {}});
}

MemoryIndex::~MemoryIndex() = default;
MemoryIndex::MemoryIndex(MemoryIndex&&) noexcept = default;

const MemoryIndexHead& MemoryIndex::head() const {
  return state_->index.head;
}

const fs::path& MemoryIndex::folder() const {
  return state_->folder;
}

std::vector<LayerScan> MemoryIndex::layers() const {
  return state_->index.layers;
}

void MemoryIndex::State::require_cell(MemoryId memory) const {
  const MemoryIndexHead& head = index.head;
  require_layer(to_string(memory), memory.layer, head.model_layers);
  if (std::find(head.layers.begin(), head.layers.end(), memory.layer) == head.layers.end()) {
    std::vector<std::string> scanned;
    for (const int layer : head.layers) scanned.push_back(std::to_string(layer));
    throw Error(ErrorKind::kConfig,
                fmt::format("{}: layer {} was not scanned; the index {} holds {}", to_string(memory),
                            memory.layer, folder.string(), join(scanned)));
  }
  if (memory.index < 0 || memory.index >= head.cells)
    throw Error(ErrorKind::kConfig,
                fmt::format("{}: there is no such cell: layer {} has {} of them, D0 to D{}",
                            to_string(memory), memory.layer, head.cells, head.cells - 1));
}

std::vector<double> MemoryIndex::largest_contributions(int layer) const {
  state_->require_cell({layer, 0});
  const LoadedIndexLayer& loaded = state_->layer(layer);
  const CellCounts& counts = loaded.state.counts;
  std::vector<double> largest;
  for (std::size_t cell = 0; cell < loaded.value_norms.size(); ++cell)
    largest.push_back(counts.tokens == 0
                          ? 0
                          : std::max<double>(std::abs(counts.most[cell]), std::abs(counts.least[cell])) *
                                loaded.value_norms[cell]);
  return largest;
}

MemoryRecord MemoryIndex::cell(MemoryId memory) const {
  const MemoryIndexHead& head = state_->index.head;
  state_->require_cell(memory);
  const LoadedIndexLayer& layer = state_->layer(memory.layer);
  const CellCounts& counts = layer.state.counts;
  const std::int64_t cell = memory.index;
  const auto at = static_cast<std::size_t>(cell);
  MemoryRecord record;
  record.id = memory;
  record.tokens = counts.tokens;
  record.dead = layer.dead[at];
  record.active_share = counts.active_share(cell);
  record.mean = counts.mean(cell);
  record.variance = counts.variance(cell);
  if (counts.tokens > 0) {
    record.least = counts.least[at];
    record.most = counts.most[at];
  }
  record.value_norm = layer.value_norms[at];
  for (const double q : kQuantiles) record.quantiles.push_back(counts.quantile(cell, q));
  const auto bins = counts.histogram.begin() + static_cast<std::ptrdiff_t>(at * coefficient_bins::kBins);
  record.histogram.assign(bins, bins + coefficient_bins::kBins);
  if (head.gated) {
    const std::int64_t both = counts.both[at], gate = counts.gate_only[at], up = counts.up_only[at];
    record.quadrants = Quadrants{both, gate, up, counts.tokens - both - gate - up};
  }
  record.high = state_->tail(layer.state.high, cell, 1, layer);
  record.low = state_->tail(layer.state.low, cell, -1, layer);
  for (std::size_t place = 0; place < layer.state.random.size(cell); ++place)
    record.random.push_back(state_->example(layer.state.random.entry(cell, place).address,
                                            layer.state.random.extra(cell, place)[0], layer, cell));
  for (std::int64_t bin = 0; bin < LayerState::kSpreadBins; ++bin) {
    const std::int64_t slot = cell * LayerState::kSpreadBins + bin;
    if (layer.state.spread.size(slot) > 0)
      record.middle.push_back(state_->example(layer.state.spread.entry(slot, 0).address,
                                              layer.state.spread.extra(slot, 0)[0], layer, cell));
  }
  if (const auto& stored = state_->values_of(memory.layer)) record.value = state_->value(*stored, cell);
  if (const auto labels = state_->labels.find(memory); labels != state_->labels.end())
    record.labels = labels->second;
  return record;
}

void MemoryIndex::require_of(const Model& model) const {
  const MemoryIndexHead& head = state_->index.head;
  if (model.fingerprint() != head.model_fingerprint)
    throw Error(ErrorKind::kModel,
                fmt::format("{}: this index is of another model or tokenizer ({}, {} there, {} here)",
                            state_->folder.string(), head.model, head.model_fingerprint.substr(0, 12),
                            model.fingerprint().substr(0, 12)));
}

}  // namespace emend
