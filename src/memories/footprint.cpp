#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

#include "emend/error.h"
#include "emend/memory_footprint.h"
#include "emend/memory_index.h"
#include "emend/memory_view.h"
#include "memories/lens.h"
#include "memories/token_name.h"

namespace emend {
namespace {

constexpr int kMostCells = 10'000, kMostTop = 100;

void require_range(const char* option, int value, int most) {
  if (value < 1 || value > most)
    throw Error(ErrorKind::kUsage,
                fmt::format("the option {} must be 1 to {}, found {}", option, most, value));
}

// Values of one layer as they arrive, and the tokens that they promote.
struct Read {
  at::Tensor values;            // [F, D] as they are produced
  at::Tensor lengths;           // [F] of these
  VocabularyResult vocabulary;  // of the arriving ones
};

Read read_values_of(const Model& model, int layer, const Lens& lens, int top) {
  const FfnView view(model, layer);
  const at::Tensor arriving = view.values(ValueSide::kArriving).to(at::kCPU).contiguous();
  const at::Tensor values = view.values().to(at::kCPU);
  return {values, values.norm(2, 1), lens.reduce(lens.fold(arriving, layer), top)};
}

// None of a value that is zero: all tokens are equal there.
std::vector<std::string> tokens_of(const Model& model, const Read& read, std::int64_t cell) {
  const VocabularyResult& found = read.vocabulary;
  std::vector<std::string> tokens;
  if (read.lengths[cell].item<double>() == 0) return tokens;
  for (std::int64_t k = 0; k < found.top_ids.size(1); ++k)
    tokens.push_back(token_name(model, found.top_ids[cell][k].item<std::int64_t>()));
  return tokens;
}

// [F] indices by falling length, ties by index.
at::Tensor by_length(const at::Tensor& lengths) {
  return std::get<1>(at::sort(lengths, /*stable=*/true, 0, /*descending=*/true));
}

void add_concentration(LayerFootprint& layer, const at::Tensor& shares) {
  const at::Tensor sums = shares.cumsum(0);
  for (const std::int64_t count : {1, 10, 100, 1000})
    if (count <= layer.cells) layer.concentration.emplace_back(count, sums[count - 1].item<double>());
  constexpr double kMost = 0.9;
  layer.cells_of_90 = (sums < kMost).sum().item<std::int64_t>() + 1;
}

void add_triggers(const MemoryIndex& index, MovedCell& moved) {
  constexpr std::size_t kTriggers = 3;
  const std::vector<int>& scanned = index.head().layers;
  if (std::find(scanned.begin(), scanned.end(), moved.cell.layer) == scanned.end()) return;
  const MemoryRecord record = index.cell(moved.cell);
  const auto largest = [](const std::vector<MemoryExample>& examples) {
    return examples.empty() ? 0.0 : std::abs(static_cast<double>(examples.front().coefficient));
  };
  moved.high = largest(record.high) >= largest(record.low);
  for (const MemoryExample& example : moved.high ? record.high : record.low)
    if (moved.triggers.size() < kTriggers) moved.triggers.push_back(example.text);
}

LayerFootprint footprint_of(const Model& model, const WeightChange& change, const Lens& lens,
                            const FootprintOptions& options) {
  LayerFootprint layer;
  layer.layer = change.weight.block;
  const Read before = read_values_of(model, layer.layer, lens, options.top);
  Model edited = model.share();
  const ScopedEdit scope(edited, {change});
  const Read after = read_values_of(edited, layer.layer, lens, options.top);
  const at::Tensor lengths = change.delta(at::kDouble).norm(2, 0);
  layer.cells = lengths.size(0);
  layer.norm = lengths.norm().item<double>();
  layer.relative_norm = layer.norm / before.values.to(at::kDouble).norm().item<double>();
  const at::Tensor order = by_length(lengths);
  const at::Tensor shares = lengths.square() / lengths.square().sum();
  add_concentration(layer, shares.index_select(0, order));
  const at::Tensor others = before.vocabulary.top_ids.select(1, 0) != after.vocabulary.top_ids.select(1, 0);
  layer.changed_favourites = (others & before.lengths.ne(0) & after.lengths.ne(0)).sum().item<std::int64_t>();
  for (std::int64_t k = 0; k < std::min<std::int64_t>(options.cells, layer.cells); ++k) {
    const auto cell = order[k].item<std::int64_t>();
    if (lengths[cell].item<double>() == 0) break;  // it and all that follow stay as they are
    const at::Tensor old = before.values[cell].to(at::kDouble), fresh = after.values[cell].to(at::kDouble);
    MovedCell moved{.cell = {layer.layer, static_cast<int>(cell)}, .moved = lengths[cell].item<double>()};
    moved.relative = moved.moved / old.norm().item<double>();
    moved.share = shares[cell].item<double>();
    moved.cosine = (at::dot(old, fresh) / (old.norm() * fresh.norm())).item<double>();
    moved.before = tokens_of(model, before, cell);
    moved.after = tokens_of(model, after, cell);
    layer.moved.push_back(std::move(moved));
  }
  return layer;
}

}  // namespace

std::vector<LayerFootprint> measure_footprint(const Model& model, const std::vector<WeightChange>& changes,
                                              const FootprintOptions& options) {
  require_range("cells", options.cells, kMostCells);
  require_range("top", options.top, kMostTop);
  const c10::NoGradGuard no_gradients;
  for (const WeightChange& change : changes) require_fit(change, model.config());
  std::unique_ptr<MemoryIndex> index;
  if (!options.index.empty()) {
    index = std::make_unique<MemoryIndex>(options.index);
    index->require_of(model);
  }
  const Lens lens(model, options.lens);
  std::map<WeightRef, at::Tensor> sums;  // several patches may change one weight
  for (const WeightChange& change : changes) {
    at::Tensor& sum = sums[change.weight];
    sum = sum.defined() ? sum + change.delta(at::kFloat) : change.delta(at::kFloat);
  }
  std::vector<LayerFootprint> layers;
  for (const auto& [weight, sum] : sums)
    layers.push_back(footprint_of(model, WeightChange::dense(weight, sum), lens, options));
  if (index)
    for (LayerFootprint& layer : layers)
      for (MovedCell& moved : layer.moved) add_triggers(*index, moved);
  return layers;
}

}  // namespace emend
