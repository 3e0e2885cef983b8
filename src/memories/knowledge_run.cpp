// find_knowledge: knowledge neurons of facts, and what facts lose without cells.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "base/random.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/memory_knowledge.h"
#include "memories/changed_runs.h"
#include "memories/prompt_pushes.h"
#include "memories/prompt_words.h"
#include "memories/token_name.h"

namespace emend {
namespace {

constexpr int kMostSteps = 1'000, kMostDraws = 1'000;
constexpr std::size_t kMostOthers = 20;  // facts whose neurons are tried on another fact's prompt
constexpr double kMostOfSum = 0.9;
constexpr std::uint64_t kCellsStream = 0x6b63ULL << 40, kPeersStream = 0x6b70ULL << 40;

}  // namespace

void check_knowledge(const KnowledgeOptions& options) {
  const auto require = [](const char* option, double value, double least, double most) {
    if (!(value >= least && value <= most))
      throw Error(ErrorKind::kUsage,
                  fmt::format("{} must be {} to {}, found {}", option, least, most, value));
  };
  if (options.facts.empty()) throw Error(ErrorKind::kUsage, "give a prompt, or a file of facts");
  require("the option steps", options.steps, 1, kMostSteps);
  require("the option draws", options.draws, 1, kMostDraws);
  require("the option threshold", options.threshold, 0, 1);
  require("the option shared", options.shared, 0, 1);
  for (std::size_t i = 0; i < options.sizes.size(); ++i)
    if (options.sizes[i] < 1 || (i > 0 && options.sizes[i] <= options.sizes[i - 1]))
      throw Error(ErrorKind::kUsage, "the option sizes must be rising numbers from 1 on");
}

namespace {

// What integrated gradients say of one prompt.
struct PromptAttributions {
  at::Tensor attributions;  // [L, F] float64
  double incomplete = 0;
};

PromptAttributions attribute(const Model& model, const ChangedRuns& runs, std::int64_t token, int steps) {
  PromptAttributions found;
  std::vector<at::Tensor> layers;
  const double p = std::exp(runs.unchanged()[token].item<double>());
  for (int l = 0; l < model.config().layers; ++l) {
    double at_zero = 0;
    const at::Tensor gradients = runs.path_gradients(l, token, steps, at_zero);
    layers.push_back(runs.key(l).to(at::kDouble) * gradients / steps);
    const double rest = layers.back().sum().item<double>() - (p - at_zero);
    if (std::abs(rest) > std::abs(found.incomplete)) found.incomplete = rest;
  }
  found.attributions = at::stack(layers);
  return found;
}

// Cells of a table [L, F] by falling number, the first `count`; ties by address.
std::vector<MemoryId> first_cells(const at::Tensor& table, std::int64_t count) {
  const at::Tensor order = table.flatten().argsort(/*stable=*/true, 0, /*descending=*/true);
  std::vector<MemoryId> cells;
  for (std::int64_t k = 0; k < std::min(count, order.numel()); ++k) {
    const auto place = order[k].item<std::int64_t>();
    cells.push_back({static_cast<int>(place / table.size(1)), static_cast<int>(place % table.size(1))});
  }
  return cells;
}

CellFactors all_times(const std::vector<MemoryId>& cells, double factor) {
  CellFactors changes;
  for (const MemoryId cell : cells) changes.push_back({cell, factor});
  return changes;
}

class KnowledgeRun {
 public:
  KnowledgeRun(const Model& model, const KnowledgeOptions& options) : model_(model), options_(options) {
    outcome_.cells = static_cast<std::int64_t>(model.config().layers) * model.config().d_ff;
    for (const KnowledgeFact& fact : options.facts) {
      const std::string what = fmt::format("the fact {}", quote(fact.id));
      std::vector<TokenIds> prompts = {ids_of_prompt(model, fact.prompt, options.bos, what)};
      for (const std::string& other : fact.paraphrases)
        prompts.push_back(ids_of_prompt(model, other, options.bos, what));
      FactKnowledge known;
      known.id = fact.id;
      known.prompt = fact.prompt;
      known.token_id =
          fact.answer.empty() ? likeliest_token(model, prompts[0]) : first_token_of(model, fact.answer, what);
      known.token = token_name(model, known.token_id);
      known.prompts = static_cast<int>(prompts.size());
      outcome_.facts.push_back(std::move(known));
      prompts_.push_back(std::move(prompts));
    }
  }

  KnowledgeOutcome run(Progress& progress) {
    std::int64_t prompts = 0, done = 0;
    for (const FactKnowledge& fact : outcome_.facts) prompts += fact.prompts;
    progress.begin("knowledge", prompts, "prompts");
    for (std::size_t f = 0; f < outcome_.facts.size(); ++f) {
      attribute_fact(f, done, progress);
      change_own_prompts(f, [&] { progress.update(done, outcome_.facts[f].id); });
    }
    progress.end();
    change_other_facts(progress);
    summarize();
    return std::move(outcome_);
  }

 private:
  // Attr of all prompts, the fact's neurons from them, and the damage at the first prompt.
  void attribute_fact(std::size_t f, std::int64_t& done, Progress& progress) {
    FactKnowledge& fact = outcome_.facts[f];
    std::map<MemoryId, KnowledgeNeuron> found;
    at::Tensor sum;
    for (std::size_t p = 0; p < prompts_[f].size(); ++p) {
      const ChangedRuns runs(model_, prompts_[f][p]);
      const PromptAttributions own = attribute(model_, runs, fact.token_id, options_.steps);
      fact.probability += probability(runs.unchanged(), f) / fact.prompts;
      if (std::abs(own.incomplete) > std::abs(fact.incomplete)) fact.incomplete = own.incomplete;
      sum = p == 0 ? own.attributions : sum + own.attributions;
      const at::Tensor places = (own.attributions > options_.threshold * own.attributions.max()).nonzero();
      for (std::int64_t k = 0; k < places.size(0); ++k) {
        const MemoryId cell{static_cast<int>(places[k][0].item<std::int64_t>()),
                            static_cast<int>(places[k][1].item<std::int64_t>())};
        found[cell].prompts += 1;
      }
      fact.coarse += static_cast<double>(places.size(0)) / fact.prompts;
      if (p == 0) add_damage(f, runs, own.attributions, [&] { progress.update(done, fact.id); });
      progress.update(++done, fact.id);
    }
    const at::Tensor mean = sum / fact.prompts;
    const at::Tensor layers = mean.sum(1);
    fact.by_layer.assign(layers.const_data_ptr<double>(), layers.const_data_ptr<double>() + layers.numel());
    for (const auto& [cell, neuron] : found)
      if (neuron.prompts > options_.shared * fact.prompts)
        fact.neurons.push_back({cell, mean[cell.layer][cell.index].item<double>(), neuron.prompts});
    std::stable_sort(
        fact.neurons.begin(), fact.neurons.end(),
        [](const KnowledgeNeuron& a, const KnowledgeNeuron& b) { return a.attribution > b.attribution; });
  }

  double probability(const at::Tensor& logs, std::size_t f) const {
    return probability_of(logs[outcome_.facts[f].token_id]);
  }
  static double probability_of(const at::Tensor& log) { return std::exp(log.item<double>()); }

  void add_damage(std::size_t f, const ChangedRuns& runs, const at::Tensor& attributions,
                  const ChangedRuns::AfterBatch& after_batch) {
    FactKnowledge& fact = outcome_.facts[f];
    fact.first = probability(runs.unchanged(), f);
    const PromptPushes pushes = run_pushes(model_, runs.ids(), {fact.token_id, {}});
    const c10::NoGradGuard no_gradients;
    std::vector<at::Tensor> layers;
    for (int l = 0; l < model_.config().layers; ++l)
      layers.push_back(direct_contributions(model_, pushes, l).to(at::kDouble));
    const at::Tensor contributions = at::stack(layers);
    add_spread(contributions, fact);
    std::vector<int> sizes;
    for (const int size : options_.sizes)
      if (size <= outcome_.cells) sizes.push_back(size);
    if (sizes.empty()) return;
    const std::vector<MemoryId> direct = first_cells(contributions, sizes.back()),
                                integrated = first_cells(attributions, sizes.back());
    std::vector<CellFactors> variants;
    for (const int size : sizes) {
      variants.push_back(all_times({direct.begin(), direct.begin() + size}, 0));
      variants.push_back(all_times({integrated.begin(), integrated.begin() + size}, 0));
      for (int d = 0; d < options_.draws; ++d) variants.push_back(all_times(random_cells(f, d, size), 0));
    }
    const at::Tensor logs = runs.changed(variants, runs.last(), fact.token_id, after_batch);
    std::int64_t row = 0;
    for (const int size : sizes) {
      DamagePoint point{size};
      point.contribution = probability_of(logs[row++]);
      point.attribution = probability_of(logs[row++]);
      for (int d = 0; d < options_.draws; ++d) point.random += probability_of(logs[row++]) / options_.draws;
      fact.damage.push_back(point);
    }
  }

  static void add_spread(const at::Tensor& contributions, FactKnowledge& fact) {
    const at::Tensor positive = contributions.clamp_min(0).flatten();
    const at::Tensor sorted = std::get<0>(positive.sort(0, /*descending=*/true));
    const double whole = positive.sum().item<double>();
    if (whole <= 0) return;
    fact.cells_of_90 = (sorted.cumsum(0) < kMostOfSum * whole).sum().item<std::int64_t>() + 1;
    std::set<int> layers;
    for (const MemoryId cell : first_cells(contributions, fact.cells_of_90)) layers.insert(cell.layer);
    fact.layers_of_90 = static_cast<std::int64_t>(layers.size());
  }

  // Distinct cells of the whole model. A larger set of a draw holds the smaller ones.
  std::vector<MemoryId> random_cells(std::size_t f, int draw, int size) const {
    const Random random(options_.seed, kCellsStream + f * kMostDraws + static_cast<std::size_t>(draw));
    std::set<std::uint64_t> seen;
    std::vector<MemoryId> cells;
    for (std::uint64_t i = 0; static_cast<int>(cells.size()) < size; ++i) {
      const std::uint64_t place = random.below(i, static_cast<std::uint64_t>(outcome_.cells));
      if (!seen.insert(place).second) continue;
      const auto width = static_cast<std::uint64_t>(model_.config().d_ff);
      cells.push_back({static_cast<int>(place / width), static_cast<int>(place % width)});
    }
    return cells;
  }

  // As many cells of the same layers, none of them a neuron of the fact.
  std::vector<MemoryId> random_peers(std::size_t f, int draw) const {
    const Random random(options_.seed, kPeersStream + f * kMostDraws + static_cast<std::size_t>(draw));
    const std::vector<MemoryId> neurons = neurons_of(f);
    std::set<MemoryId> taken(neurons.begin(), neurons.end());
    std::vector<MemoryId> cells;
    std::uint64_t i = 0;
    for (const MemoryId neuron : neurons) {
      const auto width = static_cast<std::uint64_t>(model_.config().d_ff);
      for (int tries = 0; tries < kMostDraws; ++tries) {
        const MemoryId cell{neuron.layer, static_cast<int>(random.below(i++, width))};
        if (!taken.insert(cell).second) continue;
        cells.push_back(cell);
        break;
      }
    }
    return cells;
  }

  std::vector<MemoryId> neurons_of(std::size_t f) const {
    std::vector<MemoryId> cells;
    for (const KnowledgeNeuron& neuron : outcome_.facts[f].neurons) cells.push_back(neuron.cell);
    return cells;
  }

  void change_own_prompts(std::size_t f, const ChangedRuns::AfterBatch& after_batch) {
    FactKnowledge& fact = outcome_.facts[f];
    if (fact.neurons.empty()) return;
    std::vector<CellFactors> variants = {all_times(neurons_of(f), 0), all_times(neurons_of(f), 2)};
    for (int d = 0; d < options_.draws; ++d) {
      const std::vector<MemoryId> peers = random_peers(f, d);
      variants.push_back(all_times(peers, 0));
      variants.push_back(all_times(peers, 2));
    }
    for (const TokenIds& ids : prompts_[f]) {
      const ChangedRuns runs(model_, ids);
      const at::Tensor logs = runs.changed(variants, runs.last(), fact.token_id, after_batch);
      const double before = probability(runs.unchanged(), f);
      const auto ratio = [&](std::int64_t row) {
        return (probability_of(logs[row]) / before - 1) / fact.prompts;
      };
      fact.change.off += ratio(0);
      fact.change.doubled += ratio(1);
      for (int d = 0; d < options_.draws; ++d) {
        fact.random.off += ratio(2 + 2 * d) / options_.draws;
        fact.random.doubled += ratio(3 + 2 * d) / options_.draws;
      }
    }
  }

  // The neurons of up to 20 facts in front of fact g, in a circle, at its first prompt.
  void change_other_facts(Progress& progress) {
    const std::size_t count = outcome_.facts.size(), near = std::min(kMostOthers, count - 1);
    if (near == 0) {
      constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
      for (FactKnowledge& fact : outcome_.facts) fact.others = {kNone, kNone};
      return;
    }
    progress.begin("other facts", static_cast<std::int64_t>(count), "facts");
    for (std::size_t g = 0; g < count; ++g) {
      std::vector<CellFactors> variants;
      for (std::size_t k = 1; k <= near; ++k)
        for (const double factor : {0.0, 2.0})
          variants.push_back(all_times(neurons_of((g + k) % count), factor));
      const ChangedRuns runs(model_, prompts_[g][0]);
      const at::Tensor logs = runs.changed(variants, runs.last(), outcome_.facts[g].token_id, [&] {
        progress.update(static_cast<std::int64_t>(g), outcome_.facts[g].id);
      });
      const double before = probability(runs.unchanged(), g);
      for (std::size_t k = 1; k <= near; ++k) {
        KnowledgeChange& others = outcome_.facts[(g + k) % count].others;
        const auto row = static_cast<std::int64_t>(2 * (k - 1));
        others.off += (probability_of(logs[row]) / before - 1) / static_cast<double>(near);
        others.doubled += (probability_of(logs[row + 1]) / before - 1) / static_cast<double>(near);
      }
      progress.update(static_cast<std::int64_t>(g) + 1, outcome_.facts[g].id);
    }
    progress.end();
  }

  void summarize() {
    KnowledgeSummary& mean = outcome_.mean;
    const auto count = static_cast<double>(outcome_.facts.size());
    const auto add = [](KnowledgeChange& sum, const KnowledgeChange& one, double n) {
      sum.off += one.off / n;
      sum.doubled += one.doubled / n;
    };
    for (const FactKnowledge& fact : outcome_.facts) mean.with_neurons += fact.neurons.empty() ? 0 : 1;
    const auto with = static_cast<double>(std::max<std::int64_t>(mean.with_neurons, 1));
    if (mean.with_neurons == 0) mean.others = {std::nan(""), std::nan("")};
    mean.by_layer.assign(static_cast<std::size_t>(model_.config().layers), 0);
    for (const FactKnowledge& fact : outcome_.facts) {
      mean.neurons += static_cast<double>(fact.neurons.size()) / count;
      mean.coarse += fact.coarse / count;
      mean.probability += fact.probability / count;
      mean.cells_of_90 += static_cast<double>(fact.cells_of_90) / count;
      mean.layers_of_90 += static_cast<double>(fact.layers_of_90) / count;
      if (!fact.neurons.empty()) {
        add(mean.change, fact.change, with);
        add(mean.random, fact.random, with);
        add(mean.others, fact.others, with);
      }
      for (std::size_t l = 0; l < mean.by_layer.size(); ++l) mean.by_layer[l] += fact.by_layer[l] / count;
      mean.damage.resize(fact.damage.size());
      for (std::size_t k = 0; k < fact.damage.size(); ++k) {
        const DamagePoint& point = fact.damage[k];
        mean.damage[k].size = point.size;
        mean.damage[k].contribution += point.contribution / fact.first / count;
        mean.damage[k].attribution += point.attribution / fact.first / count;
        mean.damage[k].random += point.random / fact.first / count;
      }
    }
  }

  const Model& model_;
  const KnowledgeOptions& options_;
  std::vector<std::vector<TokenIds>> prompts_;
  KnowledgeOutcome outcome_;
};

}  // namespace

KnowledgeOutcome find_knowledge(const Model& model, const KnowledgeOptions& options, Progress& progress) {
  check_knowledge(options);
  const auto began = std::chrono::steady_clock::now();
  KnowledgeOutcome outcome = KnowledgeRun(model, options).run(progress);
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return outcome;
}

}  // namespace emend
