// compare_memories: keys, values, favourites and triggers of two models.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>
#include <tuple>

#include "base/layer_number.h"
#include "emend/error.h"
#include "emend/memory_compare.h"
#include "emend/memory_index.h"
#include "emend/memory_view.h"
#include "memories/lens.h"
#include "memories/token_name.h"
#include "memories/value_agreement.h"

namespace emend {
namespace {

void require_within(const char* option, int value, int most) {
  if (value < 1 || value > most)
    throw Error(ErrorKind::kUsage,
                fmt::format("the option {} must be 1 to {}, found {}", option, most, value));
}

void require_alike(const Model& a, const Model& b) {
  const auto differ = [&](const char* what, std::int64_t x, std::int64_t y) {
    if (x != y)
      throw Error(ErrorKind::kModel, fmt::format("{} and {} cannot be compared cell by cell: {} {} and {}",
                                                 a.path().string(), b.path().string(), what, x, y));
  };
  differ("layers:", a.config().layers, b.config().layers);
  differ("hidden sizes:", a.config().d_model, b.config().d_model);
  differ("cells of a layer:", a.config().d_ff, b.config().d_ff);
  differ("vocabularies:", a.config().vocab, b.config().vocab);
  for (int l = 0; l < a.config().layers; ++l)
    differ("gated layers:", a.config().spec(l).gated_mlp ? 1 : 0, b.config().spec(l).gated_mlp ? 1 : 0);
}

at::Tensor plain(const at::Tensor& x) {
  return x.to(at::kCPU, at::kDouble);
}

// Of each row [F]; rows of zeros are alike if both are, and at right angles to others.
at::Tensor row_cosines(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor lengths = a.norm(2, 1) * b.norm(2, 1);
  const at::Tensor same = (a == b).all(1).to(at::kDouble);
  return at::where(lengths > 0, (a * b).sum(1) / lengths.clamp_min(1e-300), same);
}

std::array<double, 3> quartiles_of(const at::Tensor& numbers) {
  const auto* const data = numbers.const_data_ptr<double>();
  const std::vector<double> list(data, data + numbers.numel());
  return {quantile_of(list, 0.25), quantile_of(list, 0.5), quantile_of(list, 0.75)};
}

using Places = std::set<std::tuple<int, std::int64_t, std::int64_t, std::int64_t>>;

// End, document, window, position of each trigger example.
Places places_of(const MemoryRecord& record) {
  Places places;
  int end = 0;
  for (const auto* list : {&record.high, &record.low}) {
    for (const MemoryExample& example : *list)
      places.emplace(end, example.document, example.window, example.position);
    ++end;
  }
  return places;
}

double jaccard(const Places& a, const Places& b) {
  if (a.empty() && b.empty()) return 1;
  std::size_t shared = 0;
  for (const auto& place : a) shared += b.count(place);
  return static_cast<double>(shared) / static_cast<double>(a.size() + b.size() - shared);
}

class Comparison {
 public:
  Comparison(const Model& a, const Model& b, const CompareOptions& options)
      : a_(a), b_(b), options_(options), lens_a_(a, options.lens), lens_b_(b, options.lens) {
    if (options.index_a.empty()) return;
    index_a_ = std::make_unique<MemoryIndex>(options.index_a);
    index_b_ = std::make_unique<MemoryIndex>(options.index_b);
    index_a_->require_of(a);
    index_b_->require_of(b);
    if (index_a_->head().corpus_fingerprint != index_b_->head().corpus_fingerprint)
      throw Error(
          ErrorKind::kConfig,
          fmt::format("{} and {} were scanned over different texts ({}; {}): their triggers cannot be "
                      "compared",
                      options.index_a.string(), options.index_b.string(), index_a_->head().corpus,
                      index_b_->head().corpus));
  }

  void add_layer(int number) {
    const FfnView a(a_, number), b(b_, number);
    LayerComparison layer;
    layer.layer = number;
    layer.cells = a.cells();
    const at::Tensor keys_a = plain(a.keys()), keys_b = plain(b.keys());
    const at::Tensor values_a = plain(a.values(ValueSide::kArriving)),
                     values_b = plain(b.values(ValueSide::kArriving));
    const at::Tensor key = row_cosines(keys_a, keys_b), value = row_cosines(values_a, values_b);
    at::Tensor same = (keys_a == keys_b).all(1).logical_and((values_a == values_b).all(1));
    at::Tensor gate;
    if (a.is_gated()) {
      const at::Tensor gates_a = plain(a.gates()), gates_b = plain(b.gates());
      gate = row_cosines(gates_a, gates_b);
      same = same.logical_and((gates_a == gates_b).all(1));
    }
    const at::Tensor moved = (values_b - values_a).norm(2, 1) / values_a.norm(2, 1).clamp_min(1e-300);
    const VocabularyResult tops_a = lens_a_.reduce(lens_a_.fold(values_a, number), options_.top);
    const VocabularyResult tops_b = lens_b_.reduce(lens_b_.fold(values_b, number), options_.top);
    layer.identical = same.sum().item<std::int64_t>();
    layer.key_cosine = quartiles_of(key);
    layer.value_cosine = quartiles_of(value);
    layer.least_key_cosine = key.min().item<double>();
    layer.least_value_cosine = value.min().item<double>();
    layer.changed_favourites =
        (tops_a.top_ids.select(1, 0) != tops_b.top_ids.select(1, 0)).to(at::kDouble).mean().item<double>();
    double sum = 0;
    const bool scanned = is_scanned(number);
    for (std::int64_t i = 0; i < layer.cells; ++i) {
      ComparedCell cell{.cell = {number, static_cast<int>(i)},
                        .key_cosine = key[i].item<double>(),
                        .value_cosine = value[i].item<double>(),
                        .value_moved = moved[i].item<double>()};
      if (gate.defined()) cell.gate_cosine = gate[i].item<double>();
      if (scanned) {
        cell.triggers = jaccard(places_of(index_a_->cell(cell.cell)), places_of(index_b_->cell(cell.cell)));
        sum += *cell.triggers;
      }
      cell.before = tokens_of(a_, tops_a, i);
      cell.after = tokens_of(b_, tops_b, i);
      outcome_.cells.push_back(std::move(cell));
    }
    if (scanned) layer.triggers = sum / static_cast<double>(layer.cells);
    outcome_.layers.push_back(layer);
    keep_most_different();
  }

  CompareOutcome take() { return std::move(outcome_); }

 private:
  bool is_scanned(int layer) const {
    if (!index_a_) return false;
    const auto has = [&](const MemoryIndex& index) {
      const std::vector<int>& layers = index.head().layers;
      return std::find(layers.begin(), layers.end(), layer) != layers.end();
    };
    return has(*index_a_) && has(*index_b_);
  }

  static std::vector<std::string> tokens_of(const Model& model, const VocabularyResult& found,
                                            std::int64_t cell) {
    std::vector<std::string> tokens;
    for (std::int64_t k = 0; k < found.top_ids.size(1); ++k)
      tokens.push_back(token_name(model, found.top_ids[cell][k].item<std::int64_t>()));
    return tokens;
  }

  void keep_most_different() {
    std::sort(outcome_.cells.begin(), outcome_.cells.end(), [](const ComparedCell& x, const ComparedCell& y) {
      return std::tuple(-x.value_moved, x.key_cosine, x.cell) <
             std::tuple(-y.value_moved, y.key_cosine, y.cell);
    });
    const auto limit = static_cast<std::size_t>(options_.cells);
    if (outcome_.cells.size() > limit) outcome_.cells.resize(limit);
  }

  const Model &a_, &b_;
  const CompareOptions& options_;
  Lens lens_a_, lens_b_;
  std::unique_ptr<MemoryIndex> index_a_, index_b_;
  CompareOutcome outcome_;
};

}  // namespace

CompareOutcome compare_memories(const Model& a, const Model& b, const CompareOptions& options,
                                Progress& progress) {
  const c10::NoGradGuard no_gradients;
  require_within("cells", options.cells, 10'000);
  require_within("top", options.top, 100);
  if (options.lens.kind == LensKind::kHead)
    throw Error(ErrorKind::kUsage, "the option lens: values are read with lin, raw or map:FILE");
  if (options.index_a.empty() != options.index_b.empty())
    throw Error(ErrorKind::kUsage, "the option index takes a scan of each of the two models, or none");
  require_alike(a, b);
  std::vector<int> layers = options.layers;
  for (const int layer : layers) require_layer("compare", layer, a.config().layers);
  if (layers.empty())
    for (int l = 0; l < a.config().layers; ++l) layers.push_back(l);
  Comparison comparison(a, b, options);
  progress.begin("comparing layers", static_cast<std::int64_t>(layers.size()), "layers");
  std::int64_t done = 0;
  for (const int layer : layers) {
    comparison.add_layer(layer);
    progress.update(++done, "");
  }
  progress.end();
  return comparison.take();
}

}  // namespace emend
