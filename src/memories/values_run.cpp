// run_values: the tables of all layers, and what they come to.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <memory>

#include "base/layer_number.h"
#include "base/stage_clock.h"
#include "emend/error.h"
#include "emend/memory_values.h"
#include "memories/layer_triggers.h"
#include "memories/search_index.h"
#include "memories/token_name.h"
#include "memories/value_agreement.h"
#include "memories/value_table.h"

namespace emend {
namespace {

constexpr int kMostTop = 1000, kMostSharpest = 10'000, kBins = 8;
constexpr std::size_t kListedTokens = 10;

void check(const Model& model, const ValueOptions& options) {
  if (options.lens.kind == LensKind::kHead)
    throw Error(
        ErrorKind::kUsage,
        "the option lens: head is for states of the stream; values are read with lin, raw or map:FILE");
  if (options.top < 1 || options.top > kMostTop)
    throw Error(ErrorKind::kUsage,
                fmt::format("the option top must be 1 to {}, found {}", kMostTop, options.top));
  if (options.sharpest < 0 || options.sharpest > kMostSharpest)
    throw Error(ErrorKind::kUsage, fmt::format("the option sharpest must be 0 to {}, found {}", kMostSharpest,
                                               options.sharpest));
  for (const int layer : options.layers) require_layer("the option layers", layer, model.config().layers);
}

std::vector<int> all_layers(const Model& model) {
  std::vector<int> layers;
  for (int l = 0; l < model.config().layers; ++l) layers.push_back(l);
  return layers;
}

// Cells with an activation alone are hardly ever negative: only +v counts.
bool positive_is_sharper(const ValueTable& table, std::int64_t cell, bool gated) {
  return !gated || table.largest_probability(cell, true) >= table.largest_probability(cell, false);
}

bool is_sharper(const SharpValue& a, const SharpValue& b) {
  return a.probability != b.probability ? a.probability > b.probability : a.cell < b.cell;
}

class Run {
 public:
  Run(const Model& model, const ValueOptions& options, Progress& progress)
      : model_(model), options_(options), clock_(progress), lens_(model, options.lens) {
    outcome_.vocabulary = lens_.tokens();
    outcome_.top = static_cast<int>(std::min<std::int64_t>(options.top, lens_.tokens()));
    if (options.index.empty()) return;
    triggers_ = std::make_unique<LayerTriggers>(options.index);
    triggers_->index().require_of(model);
    outcome_.index_settings = triggers_->index().head().settings;
  }

  ValuesOutcome run() {
    const std::vector<int> layers = chosen_layers();
    const std::int64_t cells = model_.config().d_ff;
    clock_.begin("values", cells * static_cast<std::int64_t>(layers.size()), "cells");
    for (const int layer : layers) {
      add_layer(layer);
      outcome_.cells += cells;
    }
    clock_.end();
    if (triggers_) write_search(layers);
    finish_sharpest();
    outcome_.equal_width = bins_of_equal_width(agreement_, kBins);
    outcome_.equal_count = bins_of_equal_count(std::move(agreement_), kBins);
    outcome_.seconds = clock_.seconds();
    return std::move(outcome_);
  }

 private:
  std::vector<int> chosen_layers() const {
    if (!options_.layers.empty()) return options_.layers;
    return triggers_ ? triggers_->index().head().layers : all_layers(model_);
  }

  // Over these layers and those whose tables an earlier run left in the index.
  void write_search(const std::vector<int>& layers) {
    for (const int layer : triggers_->index().head().layers) {
      if (std::find(layers.begin(), layers.end(), layer) != layers.end()) continue;
      const auto stored = read_values(options_.index, layer);
      if (stored && stored->model_fingerprint == model_.fingerprint())
        search_.add(stored->table, triggers_->read(layer));
    }
    outcome_.outputs.push_back(search_.write(options_.index, model_.tokenizer(), model_.config().d_ff));
  }

  void add_layer(int layer) {
    std::vector<CellTriggers> triggers;
    if (triggers_) triggers = triggers_->read(layer);
    const ScoredTable scored = make_value_table(
        model_, layer, lens_, options_.top, triggers_ ? next_tokens_of(triggers) : at::Tensor(),
        [&](std::int64_t done) { clock_.update(outcome_.cells + done, {}); });
    std::vector<CellAgreement> agreement;
    if (triggers_) agreement = agreement_of_cells(scored, triggers);
    add_summary(scored.table, agreement);
    if (triggers_) {
      outcome_.layers.back().agreement =
          summarize_agreement(scored, triggers, agreement, lens_.tokens(), options_.seed);
      agreement_.insert(agreement_.end(), agreement.begin(), agreement.end());
    }
    const std::filesystem::path& folder = triggers_ ? options_.index : options_.out;
    if (triggers_) search_.add(scored.table, triggers);
    if (!folder.empty()) outcome_.outputs.push_back(save_values(folder, scored.table, model_, options_.lens));
  }

  // `agreement` is empty without an index; with one, cells count in their dominant direction.
  void add_summary(const ValueTable& table, const std::vector<CellAgreement>& agreement) {
    const bool gated = model_.config().spec(table.layer).gated_mlp;
    LayerValues layer;
    layer.layer = table.layer;
    layer.cells = table.norm.size(0);
    std::vector<double> probabilities, entropies, norms;
    for (std::int64_t cell = 0; cell < layer.cells; ++cell) {
      const CellAgreement* const seen =
          agreement.empty() ? nullptr : &agreement[static_cast<std::size_t>(cell)];
      const bool positive = seen != nullptr ? seen->positive : positive_is_sharper(table, cell, gated);
      probabilities.push_back(table.largest_probability(cell, positive));
      entropies.push_back((positive ? table.entropy : table.low_entropy)[cell].item<double>());
      norms.push_back(table.norm[cell].item<double>());
      add_sharp(table, {.cell = {table.layer, static_cast<int>(cell)}, .positive = positive}, seen);
    }
    for (std::size_t q = 0; q < 3; ++q)
      layer.largest_probability[q] = quantile_of(probabilities, 0.25 * static_cast<double>(q + 1));
    layer.entropy = quantile_of(entropies, 0.5);
    layer.norm = quantile_of(norms, 0.5);
    keep_sharpest();
    outcome_.layers.push_back(layer);
  }

  void add_sharp(const ValueTable& table, SharpValue value, const CellAgreement* seen) {
    const auto limit = static_cast<std::size_t>(options_.sharpest);
    value.probability = table.largest_probability(value.cell.index, value.positive);
    if (outcome_.sharpest.size() >= limit && value.probability < least_sharp_) return;
    const at::Tensor ids = (value.positive ? table.top_ids : table.bottom_ids)[value.cell.index];
    const auto* const first = ids.const_data_ptr<std::int64_t>();
    value.ids.assign(first, first + std::min<std::int64_t>(ids.numel(), kListedTokens));
    if (seen != nullptr && seen->next >= 0) {
      value.next = seen->next;
      value.precision = seen->precision;
    }
    outcome_.sharpest.push_back(std::move(value));
  }

  void keep_sharpest() {
    std::vector<SharpValue>& sharpest = outcome_.sharpest;
    std::sort(sharpest.begin(), sharpest.end(), is_sharper);
    const auto limit = static_cast<std::size_t>(options_.sharpest);
    if (sharpest.size() > limit) sharpest.resize(limit);
    if (!sharpest.empty()) least_sharp_ = sharpest.back().probability;
  }

  void finish_sharpest() {
    for (SharpValue& value : outcome_.sharpest) {
      for (const std::int64_t id : value.ids) value.tokens.push_back(token_name(model_, id));
      if (value.next) value.next_text = token_name(model_, *value.next);
      if (3 * value.cell.layer >= 2 * model_.config().layers) ++outcome_.sharpest_in_top_third;
      if (value.precision && *value.precision > 0) ++outcome_.sharpest_agreeing;
    }
  }

  const Model& model_;
  const ValueOptions& options_;
  StageClock clock_;
  Lens lens_;
  std::unique_ptr<LayerTriggers> triggers_;  // null without an index
  std::vector<CellAgreement> agreement_;     // of all layers
  SearchIndexBuilder search_;
  ValuesOutcome outcome_;
  double least_sharp_ = 0;
};

}  // namespace

ValuesOutcome run_values(const Model& model, const ValueOptions& options, Progress& progress) {
  check(model, options);
  return Run(model, options, progress).run();
}

}  // namespace emend
