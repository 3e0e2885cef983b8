// run_explain: what a pass over the prompt says, as an answer.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <memory>
#include <tuple>

#include "emend/error.h"
#include "emend/memory_explain.h"
#include "emend/memory_labels.h"
#include "emend/memory_view.h"
#include "memories/changed_runs.h"
#include "memories/layer_triggers.h"
#include "memories/lens.h"
#include "memories/prompt_pushes.h"
#include "memories/prompt_words.h"
#include "memories/stream_sources.h"
#include "memories/token_name.h"
#include "model/layers.h"

namespace emend {
namespace {

constexpr int kMostTop = 100, kMostCells = 10'000, kMostSources = 1'000;
constexpr std::int64_t kPromoted = 5;
constexpr std::size_t kTriggers = 3;

void require_range(const char* option, int value, int least, int most) {
  if (value < least || value > most)
    throw Error(ErrorKind::kUsage,
                fmt::format("the option {} must be {} to {}, found {}", option, least, most, value));
}

class Explanation {
 public:
  Explanation(const Model& model, const ExplainOptions& options, Progress& progress)
      : model_(model), options_(options), progress_(progress) {
    outcome_.ids = ids_of_prompt(model, options.prompt, options.bos, "the option prompt");
    for (const std::int64_t id : outcome_.ids) outcome_.pieces.push_back(token_name(model, id));
    wanted_.token = options.token.empty() ? likeliest_token(model, outcome_.ids)
                                          : first_token_of(model, options.token, "the option token");
    if (!options.against.empty())
      wanted_.against = first_token_of(model, options.against, "the option against");
    for (const std::string& word : {options.token, options.against})
      if (!word.empty() && has_several_tokens(model, word)) outcome_.first_tokens_of.push_back(word);
    if (!options.index.empty()) {
      triggers_ = std::make_unique<LayerTriggers>(options.index);
      triggers_->index().require_of(model);
    }
    if (wanted_.against == wanted_.token)
      throw Error(ErrorKind::kUsage,
                  "the option against begins with the same token as the word that is explained");
  }

  ExplainOutcome run() {
    pushes_ = run_pushes(model_, outcome_.ids, wanted_);
    const c10::NoGradGuard no_gradients;
    outcome_.logit = pushes_.logit;
    add_predictions();
    for (int l = 0; l < model_.config().layers; ++l) add_pushes(l);
    choose_cells();
    add_promoted_tokens();
    add_triggers();
    if (options_.sources > 0) add_sources();
    if (options_.effects) add_effects();
    return std::move(outcome_);
  }

 private:
  std::vector<ExplainToken> tokens_of(const VocabularyResult& found, std::int64_t row, bool probabilities,
                                      double scale = 1) const {
    std::vector<ExplainToken> tokens;
    for (std::int64_t k = 0; k < found.top_ids.size(1); ++k) {
      const auto id = found.top_ids[row][k].item<std::int64_t>();
      const double logit = found.top_logits[row][k].item<double>();
      tokens.push_back({id, token_name(model_, id),
                        probabilities ? std::exp(logit - found.log_sum[row].item<double>()) : scale * logit});
    }
    return tokens;
  }

  // States r and o of all layers under the head lens: rows 2 l and 2 l + 1.
  void add_predictions() {
    const int layers = model_.config().layers;
    std::vector<at::Tensor> states, added;
    for (std::size_t l = 0; l < pushes_.output.size(); ++l) {
      states.push_back(pushes_.residual[l]);
      states.push_back(pushes_.output[l]);
      added.push_back(pushes_.output[l] - pushes_.residual[l]);
    }
    const Lens head(model_, {.kind = LensKind::kHead}), linear(model_, {});
    const std::int64_t other = wanted_.against.value_or(wanted_.token);
    const at::Tensor targets =
        at::tensor({wanted_.token, other}, at::kLong).expand({2 * layers, 2}).contiguous();
    const VocabularyResult seen = head.reduce(head.fold(at::stack(states), 0), options_.top, targets);
    const VocabularyResult ffn = linear.reduce(linear.fold(at::stack(added), 0), options_.top);
    const double scale = logit_scale();
    const auto probability = [&](std::int64_t row, int target) {
      return std::exp(seen.target_logits[row][target].item<double>() - seen.log_sum[row].item<double>());
    };
    for (int l = 0; l < layers; ++l) {
      ExplainLayer layer{.layer = l};
      layer.residual_top = tokens_of(seen, 2 * l, true);
      layer.ffn_top = tokens_of(ffn, l, false, scale);
      layer.output_top = tokens_of(seen, 2 * l + 1, true);
      layer.residual_probability = probability(2 * l, 0);
      layer.output_probability = probability(2 * l + 1, 0);
      layer.residual_rank = seen.target_ranks[2 * l][0].item<std::int64_t>();
      layer.output_rank = seen.target_ranks[2 * l + 1][0].item<std::int64_t>();
      outcome_.layers.push_back(std::move(layer));
    }
    const std::int64_t last = 2 * layers - 1;
    outcome_.token = {wanted_.token, token_name(model_, wanted_.token), probability(last, 0)};
    if (wanted_.against)
      outcome_.against = {*wanted_.against, token_name(model_, *wanted_.against), probability(last, 1)};
    outcome_.decision_layer = decision_layer();
  }

  // A logit of the lin lens as a change of the model's logit: over the final norm's size.
  double logit_scale() const {
    const at::Tensor end = pushes_.output.back().unsqueeze(0);
    return model_.config().logit_multiplier / norm_size(end, model_.config().block).item<double>();
  }

  int decision_layer() const {
    int first = model_.config().layers;
    while (first > 0 && outcome_.layers[static_cast<std::size_t>(first - 1)].output_rank == 0 &&
           outcome_.layers[static_cast<std::size_t>(first - 1)].residual_rank == 0)
      --first;
    return first;
  }

  void add_pushes(int l) {
    const auto at = static_cast<std::size_t>(l);
    contributions_.push_back(direct_contributions(model_, pushes_, l));
    attributions_.push_back(pushes_.keys[at] * pushes_.gradients[at]);
    ExplainLayer& layer = outcome_.layers[at];
    layer.direct = at::dot(pushes_.output[at] - pushes_.residual[at], pushes_.direction).item<double>();
    layer.cells = contributions_.back().sum(at::kDouble).item<double>();
    layer.attribution = attributions_.back().sum(at::kDouble).item<double>();
  }

  // The strongest of all layers and tokens by |attribution|.
  void choose_cells() {
    const std::int64_t width = model_.config().d_ff;
    for (std::size_t l = 0; l < attributions_.size(); ++l) {
      const at::Tensor flat = attributions_[l].flatten();
      const std::int64_t count = std::min<std::int64_t>(options_.cells, flat.numel());
      const at::Tensor best = std::get<1>(flat.abs().topk(count));
      for (std::int64_t k = 0; k < count; ++k) {
        const auto place = best[k].item<std::int64_t>();
        outcome_.cells.push_back({.cell = {static_cast<int>(l), static_cast<int>(place % width)},
                                  .position = place / width,
                                  .attribution = flat[place].item<double>()});
      }
    }
    std::sort(outcome_.cells.begin(), outcome_.cells.end(), [](const ExplainCell& a, const ExplainCell& b) {
      const double x = std::abs(a.attribution), y = std::abs(b.attribution);
      return x != y ? x > y : std::tie(a.cell, a.position) < std::tie(b.cell, b.position);
    });
    const auto limit = static_cast<std::size_t>(options_.cells);
    if (outcome_.cells.size() > limit) outcome_.cells.resize(limit);
    for (ExplainCell& cell : outcome_.cells) complete(cell);
  }

  void complete(ExplainCell& cell) const {
    const auto layer = static_cast<std::size_t>(cell.cell.layer);
    const FfnView view(model_, cell.cell.layer);
    const auto last = static_cast<std::int64_t>(outcome_.ids.size()) - 1;
    cell.read = outcome_.pieces[static_cast<std::size_t>(cell.position)];
    cell.coefficient = pushes_.keys[layer][cell.position][cell.cell.index].item<double>();
    cell.strength =
        std::abs(cell.coefficient) * view.value(cell.cell.index, ValueSide::kArriving).norm().item<double>();
    if (cell.position == last) cell.contribution = contributions_[layer][cell.cell.index].item<double>();
    const at::Tensor stream = pushes_.read[layer][cell.position].to(model_.options());
    const CellScores scores = view.scores(cell.cell.index, stream);
    cell.up = scores.up;
    cell.gate = scores.gate;
  }

  void add_promoted_tokens() {
    if (outcome_.cells.empty()) return;
    std::vector<at::Tensor> values;
    for (const ExplainCell& cell : outcome_.cells) {
      const at::Tensor value =
          FfnView(model_, cell.cell.layer).value(cell.cell.index, ValueSide::kArriving).to(at::kCPU);
      values.push_back(cell.coefficient < 0 ? -value : value);
    }
    const Lens lens(model_, {});
    const VocabularyResult found = lens.reduce(lens.fold(at::stack(values), 0), kPromoted);
    for (std::size_t i = 0; i < outcome_.cells.size(); ++i)
      for (std::int64_t k = 0; k < found.top_ids.size(1); ++k)
        outcome_.cells[i].promotes.push_back(
            token_name(model_, found.top_ids[static_cast<std::int64_t>(i)][k].item<std::int64_t>()));
  }

  void add_triggers() {
    if (!triggers_) return;
    const CellLabels labels = read_labels(options_.index);
    for (ExplainCell& cell : outcome_.cells)
      if (const auto known = labels.find(cell.cell); known != labels.end()) cell.labels = known->second;
    const std::vector<int>& scanned = triggers_->index().head().layers;
    for (ExplainCell& cell : outcome_.cells)
      if (std::find(scanned.begin(), scanned.end(), cell.cell.layer) != scanned.end())
        cell.triggers = triggers_->texts(cell.cell, cell.coefficient >= 0, kTriggers);
  }

  // Cells of one token run side by side.
  void add_effects() {
    const ChangedRuns runs(model_, outcome_.ids);
    std::vector<std::int64_t> tokens = {wanted_.token};
    if (wanted_.against) tokens.push_back(*wanted_.against);
    const auto logit_of = [&](const at::Tensor& logits) {  // of these tokens
      return logits[0].item<double>() - (wanted_.against ? logits[1].item<double>() : 0);
    };
    const double before = logit_of(runs.unchanged_logits().index_select(0, at::tensor(tokens, at::kLong)));
    std::map<std::int64_t, std::vector<ExplainCell*>> by_position;
    for (ExplainCell& cell : outcome_.cells) by_position[cell.position].push_back(&cell);
    for (const auto& [position, cells] : by_position) {
      std::vector<CellFactors> variants;
      for (const ExplainCell* cell : cells) variants.push_back({{cell->cell, 0}});
      const at::Tensor logits = runs.changed_logits(variants, position, tokens, [&] { progress_.poll(); });
      for (std::size_t i = 0; i < cells.size(); ++i)
        cells[i]->effect = before - logit_of(logits[static_cast<std::int64_t>(i)]);
    }
    compare_effects();
  }

  void compare_effects() {
    const auto n = static_cast<double>(outcome_.cells.size());
    double sum_a = 0, sum_e = 0, aa = 0, ee = 0, ae = 0;
    for (const ExplainCell& cell : outcome_.cells) {
      const double a = cell.attribution, e = *cell.effect;
      outcome_.same_sign += (a > 0) == (e > 0) ? 1 : 0;
      sum_a += a, sum_e += e, aa += a * a, ee += e * e, ae += a * e;
    }
    const double spread = (aa - sum_a * sum_a / n) * (ee - sum_e * sum_e / n);
    if (spread > 0) outcome_.correlation = (ae - sum_a * sum_e / n) / std::sqrt(spread);
  }

  // Of the up score of every cell, of the gate score where there is one, and at last of the logit.
  void add_sources() {
    const auto last = static_cast<std::int64_t>(outcome_.ids.size()) - 1;
    std::vector<std::int64_t> positions = {last};
    std::vector<StreamReader> readers;
    for (const ExplainCell& cell : outcome_.cells) {
      positions.push_back(cell.position);
      const FfnView view(model_, cell.cell.layer);
      readers.push_back(reader_of(cell, view.folded_key(cell.cell.index), cell.up));
      if (cell.gate) readers.push_back(reader_of(cell, view.folded_gate(cell.cell.index), *cell.gate));
    }
    const double read = at::dot(pushes_.direction, pushes_.output.back()).item<double>();
    readers.push_back({pushes_.direction, pushes_.logit - read, pushes_.logit, last, model_.config().layers});
    const std::vector<SourceSum> sums =
        StreamSources(model_, outcome_.ids, positions).sums(readers, options_.sources);
    auto sum = sums.begin();
    for (ExplainCell& cell : outcome_.cells) {
      cell.up_sources = *sum++;
      if (cell.gate) cell.gate_sources = *sum++;
    }
    outcome_.logit_sources = *sum;
  }

  StreamReader reader_of(const ExplainCell& cell, const FoldedKeys& key, double score) const {
    const FfnView view(model_, cell.cell.layer);
    const at::Tensor stream =
        pushes_.read[static_cast<std::size_t>(cell.cell.layer)][cell.position].unsqueeze(0);
    return {key.rows[0].to(at::kCPU) / view.input_size(stream).item<double>(),
            key.bias.item<double>(),
            score,
            cell.position,
            cell.cell.layer,
            !view.spec().parallel};
  }

  const Model& model_;
  const ExplainOptions& options_;
  Progress& progress_;
  std::unique_ptr<LayerTriggers> triggers_;  // null without an index
  LogitOfInterest wanted_;
  PromptPushes pushes_;
  std::vector<at::Tensor> contributions_, attributions_;  // [F] at the last token; [N, F]
  ExplainOutcome outcome_;
};

}  // namespace

std::string_view to_string(ExplainSource::Kind kind) {
  switch (kind) {
    case ExplainSource::Kind::kEmbedding:
      return "embedding";
    case ExplainSource::Kind::kPosition:
      return "position";
    case ExplainSource::Kind::kBias:
      return "bias";
    case ExplainSource::Kind::kFfn:
      return "ffn";
    case ExplainSource::Kind::kHead:
      return "head";
  }
  return {};
}

ExplainOutcome run_explain(const Model& model, const ExplainOptions& options, Progress& progress) {
  require_range("top", options.top, 1, kMostTop);
  require_range("cells", options.cells, 1, kMostCells);
  require_range("sources", options.sources, 0, kMostSources);
  progress.poll();
  const auto began = std::chrono::steady_clock::now();
  ExplainOutcome outcome = Explanation(model, options, progress).run();
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return outcome;
}

}  // namespace emend
