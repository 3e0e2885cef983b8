// measure_effects: cells switched off at their own triggers.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "base/stage_clock.h"
#include "emend/error.h"
#include "emend/memory_effects.h"
#include "emend/memory_index.h"
#include "emend/memory_view.h"
#include "memories/option_range.h"
#include "memories/prompt_pushes.h"
#include "memories/trigger_rows.h"
#include "model/batches.h"
#include "model/rows.h"

namespace emend {
namespace {

using Row = std::vector<std::int64_t>;

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t kSideBySide = 64;    // distributions over all tokens that are held at once
constexpr std::int64_t kFewestTokens = 16;  // of a prefix at its longest
constexpr int kMostTriggers = 1'000;

// A cell that is switched off at the end of a prefix.
struct Trial {
  std::size_t cell = 0;  // of the outcome
  bool best = false;     // its best trigger
  std::int64_t next = 0;
};
using Prefixes = std::map<Row, std::vector<Trial>>;
using PrefixEntry = std::pair<const Row, std::vector<Trial>>;

// Some prefixes side by side: their last tokens continue the cached rest, as they are and with cells off.
class TrialBatch {
 public:
  TrialBatch(const Model& model, const std::vector<int>& layers, std::vector<const PrefixEntry*> prefixes)
      : model_(model), layers_(layers), prefixes_(std::move(prefixes)) {
    PassInput front;
    std::int64_t longest = 0;
    for (const PrefixEntry* entry : prefixes_) {
      front.ids.emplace_back(entry->first.begin(), entry->first.end() - 1);
      longest = std::max(longest, static_cast<std::int64_t>(front.ids.back().size()));
    }
    fronts_ =
        KvCache(model.config(), 0, static_cast<std::int64_t>(prefixes_.size()), longest, model.options());
    front.cache = &fronts_;
    front.append = true;
    front.stop = PassInput::Stop::kBlock;
    front.stop_block = model.config().layers - 1;
    model.forward(front);

    std::vector<std::size_t> rows(prefixes_.size());
    std::iota(rows.begin(), rows.end(), 0U);
    PassInput last = continuing(rows);
    for (std::size_t r = 0; r < rows.size(); ++r) last.ids[r] = {prefixes_[r]->first.back()};
    for (const int layer : layers_) {
      last.recordings.push_back(layer == 0 ? Recording{Site::kEmbedding, 0, {}}
                                           : Recording{Site::kBlockOutput, layer - 1, {}});
      last.recordings.push_back({Site::kKey, layer, {}});
      last.recordings.push_back({Site::kMlpOutput, layer, {}});
    }
    last.recordings.push_back({Site::kBlockOutput, model.config().layers - 1, {}});
    PassOutput seen = model.forward(last);
    recorded_ = std::move(seen.recorded);
    logits_ = seen.logits.to(at::kCPU, at::kFloat);
    log_p_ = logits_.to(at::kDouble).log_softmax(1);
  }

  void run(std::vector<CellEffect>& cells) const {
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      std::vector<std::pair<std::size_t, Trial>> own;  // row and trial
      for (std::size_t r = 0; r < prefixes_.size(); ++r)
        for (const Trial& trial : prefixes_[r]->second)
          if (cells[trial.cell].cell.layer == layers_[l]) own.emplace_back(r, trial);
      for (std::size_t first = 0; first < own.size(); first += kSideBySide) {
        const std::size_t end = std::min(own.size(), first + static_cast<std::size_t>(kSideBySide));
        switch_off(l,
                   {own.begin() + static_cast<std::ptrdiff_t>(first),
                    own.begin() + static_cast<std::ptrdiff_t>(end)},
                   cells);
      }
    }
  }

 private:
  // Rows of one token each that continue these prefixes without their last tokens.
  PassInput continuing(const std::vector<std::size_t>& rows) const {
    PassInput input;
    input.ids.assign(rows.size(), Row(1, 0));
    input.cache = &fronts_;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      input.cache_row.push_back(static_cast<std::int64_t>(rows[i]));
      input.logit_tokens.push_back(static_cast<std::int64_t>(i));
    }
    return input;
  }

  const at::Tensor& seen(std::size_t layer, std::size_t site) const { return recorded_[3 * layer + site]; }

  void switch_off(std::size_t l, const std::vector<std::pair<std::size_t, Trial>>& trials,
                  std::vector<CellEffect>& cells) const {
    std::vector<std::size_t> rows;
    std::vector<std::int64_t> places, variants;
    at::Tensor factors = at::ones({static_cast<std::int64_t>(trials.size()), model_.config().d_ff});
    for (const auto& [row, trial] : trials) {
      const auto variant = static_cast<std::int64_t>(variants.size());
      rows.push_back(row);
      places.push_back(static_cast<std::int64_t>(row));
      factors[variant][cells[trial.cell].cell.index] = 0;
      variants.push_back(variant);
    }
    PassInput input = continuing(rows);
    input.begin_block = layers_[l];
    input.hidden = seen(l, 0).index_select(0, index_tensor(places, seen(l, 0).device()));
    input.interventions = {{Site::kKey, layers_[l], Intervention::Kind::kScale,
                            index_tensor(variants, model_.options().device()), factors.to(model_.options())}};
    const at::Tensor logits = model_.forward(input).logits.to(at::kCPU, at::kFloat);
    const at::Tensor after = logits.to(at::kDouble).log_softmax(1);
    for (std::size_t i = 0; i < trials.size(); ++i)
      add(l, trials[i].first, trials[i].second, logits[static_cast<std::int64_t>(i)],
          after[static_cast<std::int64_t>(i)], cells[trials[i].second.cell]);
  }

  void add(std::size_t l, std::size_t row, const Trial& trial, const at::Tensor& logits_after,
           const at::Tensor& after, CellEffect& cell) const {
    const auto r = static_cast<std::int64_t>(row);
    const at::Tensor before = log_p_[r];
    const double m = seen(l, 1)[r][cell.cell.index].item<double>();
    const FfnView view(model_, layers_[l]);
    const double rho = view.output_size(seen(l, 2)[r].unsqueeze(0)).item<double>();
    const at::Tensor direction = logit_direction(model_, {trial.next, std::nullopt}, logits_[r],
                                                 recorded_.back()[r].to(at::kCPU, at::kFloat));
    const at::Tensor value = view.value(cell.cell.index, ValueSide::kArriving).to(at::kCPU, at::kFloat);
    ++cell.triggers;
    cell.coefficient += m;
    cell.effect += (before[trial.next] - after[trial.next]).item<double>();
    cell.logit += (logits_[r][trial.next] - logits_after[trial.next]).item<double>();
    cell.kl += (before.exp() * (before - after)).sum().item<double>();
    cell.direct += m / rho * at::dot(value, direction).item<double>();
    if (trial.best) cell.probability = before[trial.next].exp().item<double>();
  }

  const Model& model_;
  const std::vector<int>& layers_;
  std::vector<const PrefixEntry*> prefixes_;
  mutable KvCache fronts_;
  std::vector<at::Tensor> recorded_;  // of each layer h, the key and W k + b; at last the stream at the end
  at::Tensor logits_, log_p_;         // [n, V] of the last tokens as they are; float32, float64
};

class EffectRun {
 public:
  EffectRun(const Model& model, const EffectOptions& options, Progress& progress)
      : model_(model), options_(options), clock_(progress), index_(options.index) {
    index_.require_of(model);
    layers_ = options.layers.empty() ? index_.head().layers : options.layers;
    std::sort(layers_.begin(), layers_.end());
    layers_.erase(std::unique(layers_.begin(), layers_.end()), layers_.end());
  }

  EffectOutcome run() {
    choose();
    outcome_.prefixes = static_cast<std::int64_t>(prefixes_.size());
    run_prefixes();
    finish();
    outcome_.seconds = clock_.seconds();
    return std::move(outcome_);
  }

 private:
  void choose() {
    clock_.begin("reading triggers", static_cast<std::int64_t>(layers_.size()), "layers");
    const TriggerRows rows(index_);
    std::int64_t done = 0;
    for (const int layer : layers_) {
      for (const int cell : cells_of(layer)) add_cell({layer, cell}, rows);
      clock_.update(++done, "");
    }
    clock_.end();
  }

  std::vector<int> cells_of(int layer) const {
    const std::vector<double> largest = index_.largest_contributions(layer);
    std::vector<int> cells(largest.size());
    std::iota(cells.begin(), cells.end(), 0);
    std::stable_sort(cells.begin(), cells.end(), [&](int a, int b) {
      return largest[static_cast<std::size_t>(a)] > largest[static_cast<std::size_t>(b)];
    });
    if (options_.cells > 0 && static_cast<std::size_t>(options_.cells) < cells.size())
      cells.resize(static_cast<std::size_t>(options_.cells));
    std::sort(cells.begin(), cells.end());
    return cells;
  }

  void add_cell(MemoryId id, const TriggerRows& rows) {
    const MemoryRecord record = index_.cell(id);
    const auto size = [](const std::vector<MemoryExample>& examples) {
      return examples.empty() ? 0.0 : std::abs(static_cast<double>(examples.front().coefficient));
    };
    CellEffect cell;
    cell.cell = id;
    cell.high = size(record.high) >= size(record.low);
    const std::size_t place = outcome_.cells.size();
    int taken = 0;
    for (const MemoryExample& example : cell.high ? record.high : record.low) {
      if (taken == options_.triggers) break;
      // A prefix of one token has nothing in front of it; without a next token nothing is told likelier.
      if (!example.next_id || example.position == 0) continue;
      if (taken == 0) {
        cell.text = example.text;
        cell.next = example.next;
      }
      prefixes_[rows.prefix_of(example, options_.longest)].push_back({place, taken == 0, *example.next_id});
      ++taken;
    }
    if (taken == 0) {
      ++outcome_.without;
    } else {
      outcome_.cells.push_back(std::move(cell));
    }
  }

  void run_prefixes() {
    std::vector<const PrefixEntry*> order;
    for (const PrefixEntry& entry : prefixes_) order.push_back(&entry);
    std::stable_sort(order.begin(), order.end(), [](const PrefixEntry* a, const PrefixEntry* b) {
      return a->first.size() < b->first.size();
    });
    std::vector<std::int64_t> lengths;
    for (const PrefixEntry* entry : order) lengths.push_back(static_cast<std::int64_t>(entry->first.size()));
    clock_.begin("switching cells off", outcome_.prefixes, "prefixes");
    for (const RowRange& range : split_by_size(lengths, options_.token_budget))
      for (std::size_t first = range.begin; first < range.end; first += kSideBySide) {
        const std::size_t end = std::min(range.end, first + static_cast<std::size_t>(kSideBySide));
        TrialBatch(model_, layers_,
                   {order.begin() + static_cast<std::ptrdiff_t>(first),
                    order.begin() + static_cast<std::ptrdiff_t>(end)})
            .run(outcome_.cells);
        clock_.update(static_cast<std::int64_t>(end), "");
      }
    clock_.end();
  }

  void finish() {
    for (CellEffect& cell : outcome_.cells)
      for (double* sum : {&cell.coefficient, &cell.effect, &cell.logit, &cell.kl, &cell.direct})
        *sum /= cell.triggers;
    for (const int layer : layers_) {
      std::vector<const CellEffect*> own;
      for (const CellEffect& cell : outcome_.cells)
        if (cell.cell.layer == layer) own.push_back(&cell);
      outcome_.layers.push_back(summary_of(layer, own));
    }
  }

  static LayerEffects summary_of(int layer, const std::vector<const CellEffect*>& cells) {
    LayerEffects summary{.layer = layer, .cells = static_cast<std::int64_t>(cells.size())};
    const auto n = static_cast<double>(cells.size());
    double squares = 0, d = 0, l = 0, dd = 0, ll = 0, dl = 0;
    for (const CellEffect* cell : cells) {
      summary.effect += cell->effect / n;
      summary.helps += cell->effect > 0 ? 1 / n : 0;
      summary.kl += cell->kl / n;
      summary.direct += cell->direct / n;
      summary.same_sign += (cell->direct > 0) == (cell->logit > 0) ? 1 / n : 0;
      d += cell->direct, l += cell->logit;
      dd += cell->direct * cell->direct, ll += cell->logit * cell->logit, dl += cell->direct * cell->logit;
    }
    if (cells.empty())
      summary.effect = summary.helps = summary.kl = summary.direct = summary.same_sign = kUnknown;
    for (const CellEffect* cell : cells) squares += std::pow(cell->effect - summary.effect, 2);
    const double error = cells.size() < 2 ? kUnknown : 1.96 * std::sqrt(squares / (n - 1) / n);
    summary.low = summary.effect - error;
    summary.high = summary.effect + error;
    const double spread = (dd - d * d / n) * (ll - l * l / n);
    summary.correlation = spread > 0 ? (dl - d * l / n) / std::sqrt(spread) : kUnknown;
    return summary;
  }

  const Model& model_;
  const EffectOptions& options_;
  StageClock clock_;
  MemoryIndex index_;
  std::vector<int> layers_;
  Prefixes prefixes_;
  EffectOutcome outcome_;
};

}  // namespace

void check_effects(const EffectOptions& options) {
  require_between("the option cells", options.cells, 0, std::numeric_limits<int>::max());
  require_between("the option triggers", options.triggers, 1, kMostTriggers);
  if (options.longest < kFewestTokens)
    throw Error(ErrorKind::kUsage, fmt::format("the option longest must be at least {}, found {}",
                                               kFewestTokens, options.longest));
}

EffectOutcome measure_effects(const Model& model, const EffectOptions& options, Progress& progress) {
  const c10::NoGradGuard no_gradients;
  check_effects(options);
  if (options.longest > model.config().max_positions)
    throw Error(ErrorKind::kUsage, fmt::format("the option longest must be {} to {}, found {}", kFewestTokens,
                                               model.config().max_positions, options.longest));
  return EffectRun(model, options, progress).run();
}

}  // namespace emend
