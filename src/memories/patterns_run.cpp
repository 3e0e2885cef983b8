// find_patterns: the tests over the cells of an index, and what they come to.
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <tuple>

#include "base/atomic_file.h"
#include "base/random.h"
#include "base/stage_clock.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/memory_index.h"
#include "memories/annotation.h"
#include "memories/index_files.h"
#include "memories/index_text.h"
#include "memories/option_range.h"
#include "memories/pattern_prefixes.h"
#include "memories/pattern_shape.h"
#include "memories/pattern_tests.h"
#include "memories/topics.h"

namespace emend {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kBackgroundStream = 0x70617474, kCellStream = 0x70617475, kDealStream = 0x70617476,
                        kNullStream = 0x70617477, kBootStream = 0x70617478;
constexpr int kResamples = 1000;
constexpr std::size_t kRefits = 200;  // of the resamples: what the shares' fit over layers is made of again
// Cells of a layer whose prefixes are shuffled, at least: the prefixes of ten cells, dealt out to ten sets,
// come back to sets of mostly one pattern.
constexpr int kLeastDealt = 200;
const char* const kAutomatic = "emend";

// `wanted` of the cells of a layer, all if it is 0; sorted.
std::vector<int> draw_cells(std::int64_t cells, int wanted, std::uint64_t seed, int layer) {
  std::vector<std::pair<std::uint64_t, int>> lots;
  const Random random(seed, kCellStream);
  for (std::int64_t cell = 0; cell < cells; ++cell)
    lots.emplace_back(random.bits(static_cast<std::uint64_t>(layer) * static_cast<std::uint64_t>(cells) +
                                  static_cast<std::uint64_t>(cell)),
                      static_cast<int>(cell));
  std::sort(lots.begin(), lots.end());
  if (wanted > 0 && wanted < cells) lots.resize(static_cast<std::size_t>(wanted));
  std::vector<int> chosen;
  for (const auto& [lot, cell] : lots) chosen.push_back(cell);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

double largest_of(const std::vector<MemoryExample>& examples) {
  return examples.empty() ? 0 : std::abs(static_cast<double>(examples.front().coefficient));
}

// Whether a cell counts at its high end.
bool counts_high(const MemoryRecord& record) {
  return largest_of(record.high) >= largest_of(record.low);
}

std::string place_text(const MemoryExample& example) {
  return fmt::format("{} {} {}", example.document, example.window, example.position);
}

void require_options(const PatternOptions& options) {
  constexpr std::int64_t kMany = 10'000'000;
  require_between("the option top", options.top, 3, 1000);
  require_between("the option cells", options.cells, 0, kMany);
  require_between("the option background", options.background, 100, kMany);
}

class PatternSearch {
 public:
  // `model`: nullptr where no topics are looked for.
  PatternSearch(const PatternOptions& options, const Model* model, Progress& progress)
      : options_(options),
        model_(model),
        clock_(progress),
        index_(options.index),
        text_(index_text_file(options.index), index_.head().prefix.size()),
        texts_(text_, index_.head().prefix) {
    if (model_) index_.require_of(*model_);
    for (const fs::path& file : options.annotations) read_annotation(file, annotation_);
    check_annotation();
  }

  PatternsOutcome run() {
    const MemoryIndexHead& head = index_.head();
    const std::vector<int>& layers = options_.layers.empty() ? head.layers : options_.layers;
    clock_.begin("reading the background", 0, "prefixes");
    const std::vector<PrefixText> drawn =
        PrefixDraw(text_, head.prefix.size(), options_.seed, kBackgroundStream).draw(options_.background);
    background_ = std::make_unique<PatternBackground>(drawn);
    if (model_) topics_ = std::make_unique<TopicSpace>(embedding_vectors(*model_), drawn, options_.seed);
    outcome_.background = background_->prefixes();
    clock_.end();
    clock_.begin("looking for patterns", static_cast<std::int64_t>(layers.size()), "layers");
    for (const int layer : layers) {
      add_layer(layer);
      clock_.update(static_cast<std::int64_t>(outcome_.layers.size()), "");
    }
    clock_.end();
    add_shape();
    add_agreement();
    outcome_.seconds = clock_.seconds();
    return std::move(outcome_);
  }

 private:
  // The prefixes of cells, each once.
  struct ShuffledPrefixes {
    std::set<std::string> seen;
    std::vector<PrefixText> all;
  };

  // Refuses rows of cells and of prefixes that the index does not have.
  void check_annotation() const {
    const MemoryIndexHead& head = index_.head();
    const auto refuse = [](const Annotation::Row& row, const std::string& what) {
      throw Error(ErrorKind::kFormat, row.place + ": " + what);
    };
    std::map<MemoryId, int> examples;  // by address, so that each layer is read once
    for (const Annotation::Row& row : annotation_.rows) {
      if (std::find(head.layers.begin(), head.layers.end(), row.cell.layer) == head.layers.end())
        refuse(row, fmt::format("layer0 must be a layer of the index ({}), found {}",
                                fmt::join(head.layers, ", "), row.cell.layer));
      if (row.cell.index >= head.cells)
        refuse(row, fmt::format("memory must be 0 to {}, found {}", head.cells - 1, row.cell.index));
      if (!row.ranks.empty()) examples[row.cell] = 0;
    }
    for (auto& [cell, count] : examples) {
      const MemoryRecord record = index_.cell(cell);
      count = static_cast<int>((counts_high(record) ? record.high : record.low).size());
    }
    for (const Annotation::Row& row : annotation_.rows)
      for (const int rank : row.ranks)
        if (const int count = examples.at(row.cell); rank >= count)
          refuse(row, count == 0 ? fmt::format("prefix_ranks must be empty: {} has no trigger examples",
                                               to_string(row.cell))
                                 : fmt::format("prefix_ranks must be 0 to {}, as {} has {} trigger examples; "
                                               "found {}",
                                               count - 1, to_string(row.cell), count, rank));
  }

  void add_layer(int layer) {
    LayerPatterns summary;
    summary.layer = layer;
    std::vector<std::vector<MemoryExample>> examples;
    std::vector<std::array<double, kPrefixLabels>> counts;
    ShuffledPrefixes shuffled;
    const std::vector<int> asked = draw_cells(index_.head().cells, options_.cells, options_.seed, layer);
    const int dealt = options_.cells == 0 ? 0 : std::max(options_.cells, kLeastDealt);
    // The larger draw has the cells of the smaller one.
    for (const int cell : draw_cells(index_.head().cells, dealt, options_.seed, layer)) {
      MemoryRecord record = index_.cell({layer, cell});
      const bool high = counts_high(record);
      std::vector<MemoryExample>& own = high ? record.high : record.low;
      if (own.size() > static_cast<std::size_t>(options_.top))
        own.resize(static_cast<std::size_t>(options_.top));
      if (own.size() < 3) continue;  // too few for any pattern
      for (const MemoryExample& example : own)
        if (shuffled.seen.insert(place_text(example)).second) shuffled.all.push_back(texts_.of(example));
      if (!std::binary_search(asked.begin(), asked.end(), cell)) continue;
      TestedPrefixes tested = tested_with_topics(texts_.of(own), number_of(layer, cell, false));
      summary.topics += has_topic(tested) ? 1 : 0;
      counts.emplace_back();
      for (const PrefixLabel label : tested.labels) ++counts.back()[static_cast<std::size_t>(label)];
      summary.prefixes += static_cast<std::int64_t>(own.size());
      summary.patterns += static_cast<double>(tested.patterns.size());
      summary.with_pattern += tested.patterns.empty() ? 0 : 1;
      outcome_.cells.push_back({{layer, cell}, high, std::move(tested.patterns), std::move(tested.labels)});
      examples.push_back(std::move(own));
    }
    summary.cells = static_cast<std::int64_t>(examples.size());
    if (!examples.empty()) {
      summary.patterns /= static_cast<double>(examples.size());
      summary.with_pattern /= static_cast<double>(examples.size());
      summary.topics /= static_cast<double>(examples.size());
      summary.shares = shares_of(counts, layer);
      summary.shuffled = shuffled_share(examples, std::move(shuffled.all), layer);
      add_false_alarms(examples, summary);
    }
    outcome_.layers.push_back(summary);
  }

  std::array<PatternShare, kPrefixLabels> shares_of(
      const std::vector<std::array<double, kPrefixLabels>>& counts, int layer) {
    const auto shares = [&](const auto& pick) {
      std::array<double, kPrefixLabels> sums = {};
      double all = 0;
      for (std::size_t i = 0; i < counts.size(); ++i)
        for (std::size_t label = 0; label < kPrefixLabels; ++label) {
          sums[label] += counts[pick(i)][label];
          all += counts[pick(i)][label];
        }
      for (double& sum : sums) sum /= all;
      return sums;
    };
    std::array<PatternShare, kPrefixLabels> result;
    const auto whole = shares([](std::size_t i) { return i; });
    std::array<std::vector<double>, kPrefixLabels> resampled;
    const Random random(options_.seed, kBootStream + static_cast<std::uint64_t>(layer) * 16);
    std::uint64_t drawn = 0;
    for (int sample = 0; sample < kResamples; ++sample) {
      const auto one = shares([&](std::size_t) { return random.below(drawn++, counts.size()); });
      for (std::size_t label = 0; label < kPrefixLabels; ++label) resampled[label].push_back(one[label]);
      if (const auto refit = static_cast<std::size_t>(sample); refit < kRefits)
        resampled_semantic_[refit].push_back(one[static_cast<std::size_t>(PrefixLabel::kSemantic)] +
                                             one[static_cast<std::size_t>(PrefixLabel::kBoth)]);
    }
    for (std::size_t label = 0; label < kPrefixLabels; ++label) {
      std::sort(resampled[label].begin(), resampled[label].end());
      constexpr std::size_t kTail = kResamples / 40;
      result[label] = {whole[label], resampled[label][kTail], resampled[label][kResamples - 1 - kTail]};
    }
    return result;
  }

  // `all` dealt out to sets as large as the cells' own.
  double shuffled_share(const std::vector<std::vector<MemoryExample>>& examples, std::vector<PrefixText> all,
                        int layer) const {
    const Random random(options_.seed, kDealStream + static_cast<std::uint64_t>(layer) * 16);
    std::uint64_t drawn = 0;
    double hits = 0;
    for (const std::vector<MemoryExample>& own : examples) {
      const std::size_t size = std::min(own.size(), all.size());
      for (std::size_t i = 0; i < size; ++i)  // the first steps of a shuffle: distinct prefixes
        std::swap(all[i], all[i + random.below(drawn++, all.size() - i)]);
      const std::vector<PrefixText> dealt(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(size));
      hits += test_prefixes(dealt, *background_).patterns.empty() ? 0 : 1;
    }
    return hits / static_cast<double>(examples.size());
  }

  void add_false_alarms(const std::vector<std::vector<MemoryExample>>& examples, LayerPatterns& summary) {
    PrefixDraw draw(text_, index_.head().prefix.size(), options_.seed,
                    kNullStream + static_cast<std::uint64_t>(summary.layer) * 16);
    const auto sets = static_cast<double>(examples.size());
    for (std::size_t set = 0; set < examples.size(); ++set) {
      const TestedPrefixes tested =
          tested_with_topics(draw.draw(static_cast<std::int64_t>(examples[set].size())),
                             number_of(summary.layer, static_cast<int>(set), true));
      summary.false_alarms += (tested.patterns.empty() ? 0 : 1) / sets;
      summary.topic_alarms += (has_topic(tested) ? 1 : 0) / sets;
    }
  }

  TestedPrefixes tested_with_topics(const std::vector<PrefixText>& prefixes, std::uint64_t number) const {
    return test_prefixes(prefixes, *background_, topics_ ? topics_->test(prefixes, number) : std::nullopt);
  }
  static bool has_topic(const TestedPrefixes& tested) {
    return std::any_of(tested.patterns.begin(), tested.patterns.end(),
                       [](const CellPattern& pattern) { return pattern.type == "topic"; });
  }
  // Names the draws of a cell's test, or of that of a random set.
  std::uint64_t number_of(int layer, int cell, bool random) const {
    return 2 * (static_cast<std::uint64_t>(layer) * static_cast<std::uint64_t>(index_.head().cells) +
                static_cast<std::uint64_t>(cell)) +
           (random ? 1 : 0);
  }

  void add_shape() {
    const auto share = [](const LayerPatterns& layer, PrefixLabel label) {
      return layer.shares[static_cast<std::size_t>(label)].share + layer.shares[1].share;
    };
    std::vector<double> layers, semantic;
    std::vector<bool> wins;
    for (const LayerPatterns& layer : outcome_.layers) {
      if (layer.cells == 0) continue;
      layers.push_back(layer.layer);
      semantic.push_back(share(layer, PrefixLabel::kSemantic));
      wins.push_back(semantic.back() > share(layer, PrefixLabel::kShallow));
    }
    outcome_.transition = fit_transition(layers, semantic, resampled_semantic_);
    for (std::size_t first = 0; first < wins.size() && !outcome_.crossover; ++first) {
      const auto later = std::count(wins.begin() + static_cast<std::ptrdiff_t>(first), wins.end(), true);
      if (wins[first] && 2 * static_cast<std::size_t>(later) > wins.size() - first)
        outcome_.crossover = static_cast<int>(layers[first]);
    }
  }

  // Every two annotators over the cells that both looked at; what was found here is one of them.
  void add_agreement() {
    if (annotation_.by_annotator.empty()) return;
    std::map<MemoryId, const CellPatterns*> known;
    for (const CellPatterns& cell : outcome_.cells) known[cell.cell] = &cell;
    for (const Annotation::Row& row : annotation_.rows)
      outcome_.annotations_elsewhere += known.contains(row.cell) ? 0 : 1;
    std::vector<std::string> names = {kAutomatic};
    for (const auto& [name, cells] : annotation_.by_annotator)
      if (name != kAutomatic) names.push_back(name);
    const auto label = [&](const std::string& name, const CellPatterns& cell,
                           int rank) -> std::optional<int> {
      if (name == kAutomatic) return static_cast<int>(cell.labels[static_cast<std::size_t>(rank)]);
      const auto& looked = annotation_.by_annotator.at(name);
      const auto found = looked.find(cell.cell);
      return found == looked.end() ? std::nullopt
                                   : std::optional(static_cast<int>(label_of(found->second, rank)));
    };
    for (std::size_t i = 0; i < names.size(); ++i)
      for (std::size_t j = i + 1; j < names.size(); ++j) {
        AnnotatorAgreement pair{names[i], names[j]};
        std::vector<int> a, b;
        for (const CellPatterns& cell : outcome_.cells) {
          if (!label(names[i], cell, 0) || !label(names[j], cell, 0)) continue;
          ++pair.cells;
          for (int rank = 0; rank < static_cast<int>(cell.labels.size()); ++rank) {
            a.push_back(*label(names[i], cell, rank));
            b.push_back(*label(names[j], cell, rank));
          }
        }
        pair.prefixes = static_cast<std::int64_t>(a.size());
        for (std::size_t k = 0; k < a.size(); ++k)
          pair.agreement += a[k] == b[k] ? 1.0 / static_cast<double>(a.size()) : 0;
        pair.kappa = cohens_kappa(a, b);
        outcome_.annotators.push_back(pair);
      }
  }

  const PatternOptions& options_;
  const Model* model_;
  StageClock clock_;
  MemoryIndex index_;
  IndexText text_;
  ExampleTexts texts_;
  Annotation annotation_;
  std::unique_ptr<PatternBackground> background_;
  std::unique_ptr<TopicSpace> topics_;  // null where none are looked for
  // Semantic shares, alone and with a shallow pattern, of resampled cells: [kRefits], each of layers with
  // cells.
  std::vector<std::vector<double>> resampled_semantic_ = std::vector<std::vector<double>>(kRefits);
  PatternsOutcome outcome_;
};

}  // namespace

std::string to_string(PatternKind kind) {
  return kind == PatternKind::kShallow ? "shallow" : "semantic";
}

std::string to_string(PrefixLabel label) {
  static const std::array<std::string, kPrefixLabels> names = {"shallow", "shallow+semantic", "semantic",
                                                               "not covered"};
  return names[static_cast<std::size_t>(label)];
}

PatternsOutcome find_patterns(const PatternOptions& options, Progress& progress) {
  require_options(options);
  if (options.topics) throw Error(ErrorKind::kUsage, "the option topics needs a model");
  return PatternSearch(options, nullptr, progress).run();
}

PatternsOutcome find_patterns(const Model& model, const PatternOptions& options, Progress& progress) {
  const c10::NoGradGuard no_gradients;
  require_options(options);
  return PatternSearch(options, options.topics ? &model : nullptr, progress).run();
}

std::vector<fs::path> export_annotation(const PatternOptions& options, const PatternsOutcome& outcome,
                                        const fs::path& file) {
  const MemoryIndex index(options.index);
  std::string lines =
      csv_line({"layer0", "memory", "annotator", "pattern_id", "kind", "description", "prefix_ranks"});
  std::string prefixes =
      csv_line({"layer0", "memory", "end", "rank", "coefficient", "text", "token", "next"});
  for (const CellPatterns& cell : outcome.cells) {
    const std::string layer = std::to_string(cell.cell.layer), memory = std::to_string(cell.cell.index);
    int number = 0;
    for (const CellPattern& pattern : cell.patterns)
      lines +=
          csv_line({layer, memory, kAutomatic, std::to_string(number++), to_string(pattern.kind),
                    pattern.type + ": " + pattern.text, fmt::format("{}", fmt::join(pattern.ranks, " "))});
    if (cell.patterns.empty()) lines += csv_line({layer, memory, kAutomatic, "", "", "", ""});
    const MemoryRecord record = index.cell(cell.cell);
    const std::vector<MemoryExample>& own = cell.high ? record.high : record.low;
    for (std::size_t rank = 0; rank < cell.labels.size(); ++rank)
      prefixes += csv_line({layer, memory, cell.high ? "high" : "low", std::to_string(rank),
                            fmt::format("{}", own[rank].coefficient), own[rank].text, own[rank].token,
                            own[rank].next});
  }
  const fs::path beside =
      file.parent_path() / (file.stem().string() + "_prefixes" + file.extension().string());
  write_file_atomically(beside, prefixes);
  write_file_atomically(file, lines);
  return {file, beside};
}

}  // namespace emend
