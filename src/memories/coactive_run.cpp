// run_coactive: which cells are counted, the walk over the text, and what the counts come to.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "analysis/given_text.h"
#include "analysis/text_options.h"
#include "base/fingerprint.h"
#include "base/layer_number.h"
#include "base/stage_clock.h"
#include "emend/error.h"
#include "emend/memory_coactive.h"
#include "emend/memory_index.h"
#include "emend/memory_view.h"
#include "memories/coactive_pairs.h"
#include "memories/coactive_visitor.h"
#include "memories/kept_walk.h"
#include "memories/lens.h"
#include "memories/option_range.h"
#include "memories/token_name.h"

namespace emend {
namespace {

const KeptKind kPairs = {"pairs", "a count of pairs"};
constexpr int kMostPairs = 100'000, kMostListed = 10'000'000;
constexpr double kChance = 0.01;
constexpr std::int64_t kPromoted = 5;

std::optional<std::size_t> quantile_place(double share) {
  const std::vector<double>& shares = quantile_shares();
  for (std::size_t q = 0; q < shares.size(); ++q)
    if (shares[q] >= 0.5 && std::abs(shares[q] - share) < 1e-9) return q;
  return std::nullopt;
}

CoactiveOptions settled(const Model& model, CoactiveOptions options) {
  check_coactive(options);
  if (options.corpus.empty())
    throw Error(ErrorKind::kConfig, "coactive: no corpus is given: name files or folders of text");
  if (!model.has_tokenizer()) throw Error(ErrorKind::kModel, "coactive: the model has no tokenizer");
  for (const int layer : options.layers) require_layer("coactive", layer, model.config().layers);
  if (options.tokens == 0) options.tokens = kAllTokens;
  check_text_options(model, options, "coactive");
  settle_text_options(model, false, options);
  return options;
}

// The cells that are counted, and when each is active.
class CellChoice {
 public:
  CellChoice(const Model& model, const CoactiveOptions& options) : model_(model), options_(options) {
    if (!options.index.empty()) {
      index_.emplace(options.index);
      index_->require_of(model);
    }
  }

  std::vector<ActivityRule> rules() const {
    std::vector<MemoryId> cells;
    if (options_.cells.empty()) {
      for (const int layer : layers()) add_layer(layer, cells);
    } else {
      for (const std::string& text : options_.cells) {
        cells.push_back(parse_memory_id(text));
        require_memory(model_.config(), cells.back());
      }
    }
    std::sort(cells.begin(), cells.end());
    cells.erase(std::unique(cells.begin(), cells.end()), cells.end());
    const auto count = static_cast<std::int64_t>(cells.size());
    if (count < 2)
      throw Error(ErrorKind::kUsage, fmt::format("at least 2 cells are needed, found {}", count));
    if (count > kMostCoactiveCells)
      throw Error(ErrorKind::kUsage,
                  fmt::format("{} has {} cells, and at most {} are counted together, in 8 K^2 bytes: {}",
                              chosen(), count, kMostCoactiveCells,
                              options_.cells.empty()
                                  ? "name fewer layers with the option layers, or take the most active cells "
                                    "of each with the option most"
                                  : "name fewer cells"));
    std::vector<ActivityRule> rules;
    for (const MemoryId cell : cells) rules.push_back(rule_of(cell));
    return rules;
  }

 private:
  // What decides on the cells, for messages.
  std::string chosen() const {
    if (!options_.cells.empty()) return "the option cells";
    if (!options_.layers.empty()) return "the option layers";
    return index_ ? "the index" : "the model";
  }

  std::vector<int> layers() const {
    std::vector<int> layers = options_.layers;
    if (layers.empty() && index_) layers = index_->head().layers;
    if (layers.empty())
      for (int layer = 0; layer < model_.config().layers; ++layer) layers.push_back(layer);
    return layers;
  }

  void add_layer(int layer, std::vector<MemoryId>& cells) const {
    std::vector<std::pair<double, int>> order;
    for (int cell = 0; cell < static_cast<int>(model_.config().d_ff); ++cell)
      order.emplace_back(options_.most > 0 ? -index_->cell({layer, cell}).active_share : 0, cell);
    std::stable_sort(order.begin(), order.end());
    if (options_.most > 0 && static_cast<std::size_t>(options_.most) < order.size())
      order.resize(static_cast<std::size_t>(options_.most));
    for (const auto& [share, cell] : order) cells.push_back({layer, cell});
  }

  ActivityRule rule_of(MemoryId cell) const {
    if (options_.beyond == 0) return {cell, 1, 0};  // else there is an index (check_coactive)
    const MemoryRecord record = index_->cell(cell);
    const float sign = std::abs(record.most) >= std::abs(record.least) ? 1.0F : -1.0F;
    const std::size_t q = *quantile_place(options_.beyond), from_below = quantile_shares().size() - 1 - q;
    return {cell, sign, static_cast<float>(sign * record.quantiles[sign > 0 ? q : from_below])};
  }

  const Model& model_;
  const CoactiveOptions& options_;
  std::optional<MemoryIndex> index_;
};

std::string settings_of(const Model& model, const CoactiveOptions& options,
                        const std::vector<ActivityRule>& rules) {
  Sha256 hash;
  for (const ActivityRule& rule : rules)
    hash.update_field(fmt::format("{} {} {}", to_string(rule.cell), rule.sign, rule.threshold));
  return fmt::format("{}window {}, {} pass, {} cells {}, active {}", options.sentences ? "sentences, " : "",
                     options.window, c10::toString(model.options().dtype().toScalarType()), rules.size(),
                     hash.hex().substr(0, 16),
                     options.beyond > 0 ? fmt::format("beyond {}", options.beyond) : "by score");
}

class PairSummary {
 public:
  PairSummary(const Model& model, const CoactiveOptions& options, const CoactiveVisitor& visitor,
              CoactiveOutcome& outcome)
      : model_(model), options_(options), visitor_(visitor), outcome_(outcome) {}

  void run() {
    const std::int64_t cells = visitor_.counts().size(0);
    for (std::int64_t i = 0; i < cells; ++i) {
      const std::int64_t own = count(i, i);
      outcome_.silent += own == 0 || own == visitor_.tokens() ? 1 : 0;
    }
    phi_ = phi_of(visitor_.counts(), visitor_.tokens());
    outcome_.chance = phi_of_chance(visitor_.tokens(), cells * (cells - 1) / 2, kChance);
    add_pairs();
    add_groups();
  }

 private:
  std::int64_t count(std::int64_t a, std::int64_t b) const {
    return static_cast<std::int64_t>(
        visitor_.counts().const_data_ptr<double>()[a * visitor_.counts().size(0) + b]);
  }
  float phi(std::int64_t a, std::int64_t b) const {
    return phi_.const_data_ptr<float>()[a * phi_.size(0) + b];
  }
  MemoryId cell(std::int64_t i) const { return visitor_.rules()[static_cast<std::size_t>(i)].cell; }

  void add_pairs() {
    std::vector<std::tuple<float, std::int64_t, std::int64_t>> found;
    const std::int64_t cells = phi_.size(0);
    const auto keep = static_cast<std::size_t>(options_.pairs);
    const auto cut = [&] {
      std::sort(found.begin(), found.end());
      if (found.size() > keep) found.resize(keep);
    };
    for (std::int64_t a = 0; a < cells; ++a)
      for (std::int64_t b = a + 1; b < cells; ++b) {
        if (phi(a, b) <= outcome_.chance || count(a, b) < options_.least) continue;
        ++outcome_.above_chance;
        found.emplace_back(-phi(a, b), a, b);
        if (found.size() > 2 * keep + 1024) cut();
      }
    cut();
    const auto n = static_cast<double>(visitor_.tokens());
    for (const auto& [minus, a, b] : found) {
      CoactivePair pair{cell(a), cell(b), count(a, a), count(b, b), count(a, b), -minus};
      pair.pmi = std::log(n * static_cast<double>(pair.both) /
                          (static_cast<double>(pair.a_tokens) * static_cast<double>(pair.b_tokens)));
      outcome_.pairs.push_back(pair);
    }
  }

  void add_groups() {
    for (const std::vector<std::int64_t>& members : average_linkage(phi_.clone(), options_.threshold)) {
      CoactiveGroup group;
      const auto others = static_cast<double>(members.size() - 1);
      for (const std::int64_t i : members) {
        double sum = 0;
        for (const std::int64_t j : members) sum += i == j ? 0 : phi(i, j);
        group.cells.push_back({cell(i), count(i, i), sum / others});
        group.phi += sum / others / static_cast<double>(members.size());
      }
      std::stable_sort(group.cells.begin(), group.cells.end(),
                       [](const CoactiveCell& a, const CoactiveCell& b) { return a.phi > b.phi; });
      outcome_.grouped += static_cast<std::int64_t>(group.cells.size());
      outcome_.groups.push_back(std::move(group));
    }
    name_groups();
  }

  void name_groups() {
    if (outcome_.groups.empty()) return;
    std::map<MemoryId, float> signs;
    for (const ActivityRule& rule : visitor_.rules()) signs[rule.cell] = rule.sign;
    const Lens lens(model_, {});
    std::vector<at::Tensor> sums;
    for (const CoactiveGroup& group : outcome_.groups) {
      at::Tensor sum = at::zeros({model_.config().d_model}, at::kFloat);
      for (const CoactiveCell& one : group.cells) {
        const at::Tensor value = FfnView(model_, one.cell.layer)
                                     .value(one.cell.index, ValueSide::kArriving)
                                     .to(at::kCPU, at::kFloat);
        sum += value * (signs.at(one.cell) / std::max(1e-30, value.norm().item<double>()));
      }
      sums.push_back(sum);
    }
    const VocabularyResult found = lens.reduce(lens.fold(at::stack(sums), 0), kPromoted);
    for (std::size_t g = 0; g < outcome_.groups.size(); ++g)
      for (std::int64_t k = 0; k < found.top_ids.size(1); ++k)
        outcome_.groups[g].promotes.push_back(
            token_name(model_, found.top_ids[static_cast<std::int64_t>(g)][k].item<std::int64_t>()));
  }

  const Model& model_;
  const CoactiveOptions& options_;
  const CoactiveVisitor& visitor_;
  CoactiveOutcome& outcome_;
  at::Tensor phi_;
};

}  // namespace

void check_coactive(const CoactiveOptions& options) {
  require_between("the option most", options.most, 0, kMostCoactiveCells);
  require_between("the option pairs", options.pairs, 0, kMostPairs);
  require_between("the option least", options.least, 1, kMostListed);
  if (!(options.threshold > 0 && options.threshold <= 1))
    throw Error(ErrorKind::kUsage, fmt::format("the option threshold must be above 0 and at most 1, found {}",
                                               options.threshold));
  if (options.beyond != 0 && !quantile_place(options.beyond))
    throw Error(ErrorKind::kUsage,
                fmt::format("the option beyond must be 0.5, 0.9, 0.99 or 0.999, found {}", options.beyond));
  if (options.index.empty() && (options.most > 0 || options.beyond > 0))
    throw Error(ErrorKind::kUsage, "the option most, as the option beyond, needs the option index");
  if (!options.cells.empty() && (options.most > 0 || !options.layers.empty()))
    throw Error(ErrorKind::kUsage,
                "the option cells names all cells: leave out the option layers and the option most");
  for (const std::string& text : options.cells) parse_memory_id(text);
}

CoactiveOutcome run_coactive(const Model& model, const CoactiveOptions& given, const AggregateFolder& folder,
                             Progress& progress, ShardGroup* group) {
  const c10::NoGradGuard no_gradients;
  const CoactiveOptions options = settled(model, of_group(given, group));
  const KeptWork work{kPairs, "coactive", "counting pairs of cells", folder};
  require_joinable(work, options, group);
  StageClock clock(progress);
  CoactiveVisitor visitor(CellChoice(model, options).rules(), options.beyond > 0 ? Site::kKey : Site::kGate);
  CorpusNotes notes;
  const std::unique_ptr<TextSource> text = make_given_text(
      model, options, notes, clock, false, options.sentences ? RowCut::kSentences : RowCut::kWindows);
  const RunIdentity run = kept_identity(model, options, *text, settings_of(model, options, visitor.rules()));
  begin_kept(work, run, visitor.layers(), group);
  CoactiveOutcome outcome;
  outcome.corpus = text->description();
  outcome.corpus_fingerprint = run.corpus;
  outcome.cells = visitor.counts().size(0);
  outcome.state_bytes = 8 * outcome.cells * outcome.cells + outcome.cells * options.block_tokens;
  const KeptWalk walk = walk_kept(model, *text, run, work, visitor, clock, group);
  outcome.resumed_blocks = walk.resumed_blocks;
  outcome.is_part = walk.is_part;
  outcome.outputs = walk.outputs;
  outcome.tokens = visitor.tokens();
  if (!outcome.is_part && (group == nullptr || group->rank() == 0))
    PairSummary(model, options, visitor, outcome).run();
  outcome.seconds = clock.seconds();
  return outcome;
}

}  // namespace emend
