#include "reports/patterns_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/stage_clock.h"
#include "base/strings.h"
#include "emend/version.h"
#include "report/numbers.h"
#include "report/table.h"
#include "reports/layer_curves.h"
#include "reports/page.h"

namespace emend {
namespace {

constexpr std::size_t kListed = 12, kListedOnPage = 100;

std::string key_of(std::size_t label) {
  static const std::array<std::string, kPrefixLabels> keys = {"shallow", "both", "semantic", "not_covered"};
  return keys[label];
}

std::string pattern_words(const CellPattern& pattern) {
  return fmt::format("{} {} ({})", pattern.type, quote(pattern.text), pattern.support);
}

// The cells with the most significant patterns, ties by address.
std::vector<const CellPatterns*> clearest_cells(const PatternsOutcome& outcome, std::size_t count) {
  std::vector<const CellPatterns*> cells;
  for (const CellPatterns& cell : outcome.cells)
    if (!cell.patterns.empty()) cells.push_back(&cell);
  const auto covered = [](const CellPatterns* cell) {
    return std::count_if(cell->labels.begin(), cell->labels.end(),
                         [](PrefixLabel label) { return label != PrefixLabel::kNotCovered; });
  };
  std::stable_sort(cells.begin(), cells.end(), [&](const CellPatterns* a, const CellPatterns* b) {
    return covered(a) != covered(b) ? covered(a) > covered(b)
                                    : a->patterns.front().p_value < b->patterns.front().p_value;
  });
  if (cells.size() > count) cells.resize(count);
  return cells;
}

std::string first_patterns(const CellPatterns& cell) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < std::min<std::size_t>(3, cell.patterns.size()); ++i)
    words.push_back(pattern_words(cell.patterns[i]));
  return join(words);
}

std::string interval_words(const std::array<double, 2>& interval, const std::string& low,
                           const std::string& high) {
  return std::isnan(interval[0]) ? "" : fmt::format(" ({} to {})", low, high);
}

std::string transition_sentence(const PatternTransition& fit, TransitionShape shape) {
  const auto percent_interval = [](const std::array<double, 2>& interval) {
    return interval_words(interval, percent_text(interval[0]), percent_text(interval[1]));
  };
  const auto interval = [](const std::array<double, 2>& numbers) {
    return interval_words(numbers, number_text(numbers[0]), number_text(numbers[1]));
  };
  const std::string intervals =
      std::isnan(fit.change_interval[0]) ? "" : " In brackets 95 % over resampled cells.";
  if (shape == TransitionShape::kNone)
    return "The semantic share shows no transition over these layers" +
           (intervals.empty()
                ? ". "
                : fmt::format(": the change of the best fit is {}{}.{} ", percent_text(fit.high - fit.low),
                              percent_interval(fit.change_interval), intervals));
  return fmt::format(
      "Semantic share over layers: {} from {} to {}, a change of {}{}; middle {}{}, 10 to 90 % over {}{} "
      "layers.{} ",
      to_string(shape), percent_text(fit.low), percent_text(fit.high), percent_text(fit.high - fit.low),
      percent_interval(fit.change_interval), number_text(fit.middle), interval(fit.middle_interval),
      number_text(fit.width), interval(fit.width_interval), intervals);
}

ResultJson transition_json(const PatternsOutcome& outcome) {
  if (!outcome.transition) return nullptr;
  const PatternTransition& fit = *outcome.transition;
  return {
      {"low", fit.low},
      {"high", fit.high},
      {"middle", fit.middle},
      {"width", fit.width},
      {"shape", to_string(shape_of(fit, outcome.layers))},
      {"intervals",
       {{"change", fit.change_interval}, {"middle", fit.middle_interval}, {"width", fit.width_interval}}}};
}

std::string shape_sentence(const PatternsOutcome& outcome) {
  std::string text;
  if (outcome.transition)
    text += transition_sentence(*outcome.transition, shape_of(*outcome.transition, outcome.layers));
  text += outcome.crossover ? fmt::format("Semantic exceeds shallow from layer {} on.", *outcome.crossover)
                            : std::string("Semantic exceeds shallow nowhere for good.");
  return text +
         fmt::format(" Compared with {} prefixes drawn from the text.", count_text(outcome.background));
}

ResultJson pattern_json(const CellPattern& pattern) {
  return {{"kind", to_string(pattern.kind)},
          {"type", pattern.type},
          {"text", pattern.text},
          {"support", pattern.support},
          {"background", pattern.background},
          {"p_value", pattern.kind == PatternKind::kShallow || pattern.type == "topic"
                          ? ResultJson(pattern.p_value)
                          : ResultJson(nullptr)},
          {"z", pattern.kind == PatternKind::kSemantic ? ResultJson(pattern.z) : ResultJson(nullptr)},
          {"ranks", pattern.ranks}};
}

ResultJson cell_patterns_json(const CellPatterns& cell) {
  ResultJson patterns = ResultJson::array(), labels = ResultJson::array();
  for (const CellPattern& pattern : cell.patterns) patterns.push_back(pattern_json(pattern));
  std::size_t covered = 0;
  for (const PrefixLabel label : cell.labels) {
    labels.push_back(to_string(label));
    covered += label == PrefixLabel::kNotCovered ? 0 : 1;
  }
  return {{"cell", to_string(cell.cell)},
          {"layer", cell.cell.layer},
          {"index", cell.cell.index},
          {"end", cell.high ? "high" : "low"},
          {"patterns", patterns},
          {"prefix_labels", labels},
          {"coverage", static_cast<double>(covered) / static_cast<double>(cell.labels.size())}};
}

ResultJson layer_patterns_json(const LayerPatterns& layer, bool topics) {
  ResultJson shares = ResultJson::object(), intervals = ResultJson::object();
  for (std::size_t label = 0; label < kPrefixLabels; ++label) {
    shares[key_of(label)] = layer.shares[label].share;
    intervals[key_of(label)] = {layer.shares[label].low, layer.shares[label].high};
  }
  return {{"layer", layer.layer},
          {"cells", layer.cells},
          {"prefixes", layer.prefixes},
          {"shares", shares},
          {"intervals", intervals},
          {"patterns_mean", layer.patterns},
          {"with_pattern", layer.with_pattern},
          {"with_pattern_shuffled", layer.shuffled},
          {"with_pattern_random", layer.false_alarms},
          {"with_topic", topics ? ResultJson(layer.topics) : ResultJson(nullptr)},
          {"with_topic_random", topics ? ResultJson(layer.topic_alarms) : ResultJson(nullptr)}};
}

std::string topics_text(const PatternsOutcome& outcome, std::size_t columns) {
  Table table({{"layer", Align::kRight}, {"with a topic", Align::kRight}, {"random", Align::kRight}});
  for (const LayerPatterns& layer : outcome.layers)
    table.add_row(
        {std::to_string(layer.layer), percent_text(layer.topics), percent_text(layer.topic_alarms)});
  return "\nCells whose prefixes have a topic without a common word:\n" + table.text(columns);
}

std::string annotators_text(const PatternsOutcome& outcome, std::size_t columns) {
  if (outcome.annotators.empty()) return "";
  Table table({{"annotator"},
               {"and"},
               {"cells", Align::kRight},
               {"prefixes", Align::kRight},
               {"agree", Align::kRight},
               {"kappa", Align::kRight}});
  for (const AnnotatorAgreement& pair : outcome.annotators)
    table.add_row({pair.a, pair.b, count_text(pair.cells), count_text(pair.prefixes),
                   percent_text(pair.agreement), number_text(pair.kappa)});
  std::string text = "\n" + table.text(columns);
  if (outcome.annotations_elsewhere > 0)
    text +=
        fmt::format("Not compared: {} row{} of the annotations, of cells that were not looked at here.\n",
                    count_text(outcome.annotations_elsewhere), outcome.annotations_elsewhere == 1 ? "" : "s");
  return text;
}

std::string change_text(const MutationShare& change) {
  return std::isnan(change.mean) ? "-" : fmt::format("{:.0f} %", change.mean);
}

std::string mutations_text(const PatternsOutcome& outcome, std::size_t columns) {
  if (outcome.mutations.empty()) return "";
  Table table({{"layer", Align::kRight},
               {"cells", Align::kRight},
               {"prefixes", Align::kRight},
               {"first", Align::kRight},
               {"last", Align::kRight},
               {"random", Align::kRight},
               {"shallow index", Align::kRight}});
  for (const LayerMutation& layer : outcome.mutations) {
    std::vector<std::string> row = {std::to_string(layer.layer), count_text(layer.cells),
                                    count_text(layer.prefixes)};
    for (const MutationShare& change : layer.change) row.push_back(change_text(change));
    row.push_back(number_text(layer.shallow_index));
    table.add_row(row);
  }
  return "\nChange of the coefficient when a part of the prefix is taken away:\n" + table.text(columns);
}

ResultJson mutations_json(const PatternsOutcome& outcome) {
  ResultJson layers = ResultJson::array(), cells = ResultJson::array();
  for (const LayerMutation& layer : outcome.mutations) {
    ResultJson changes = ResultJson::object(), intervals = ResultJson::object();
    for (std::size_t m = 0; m < kMutations; ++m) {
      changes[to_string(static_cast<Mutation>(m))] = layer.change[m].mean;
      intervals[to_string(static_cast<Mutation>(m))] = {layer.change[m].low, layer.change[m].high};
    }
    layers.push_back({{"layer", layer.layer},
                      {"cells", layer.cells},
                      {"prefixes", layer.prefixes},
                      {"change", changes},
                      {"intervals", intervals},
                      {"shallow_index", layer.shallow_index}});
  }
  for (const CellMutation& cell : outcome.mutated) {
    ResultJson changes = ResultJson::object();
    for (std::size_t m = 0; m < kMutations; ++m)
      changes[to_string(static_cast<Mutation>(m))] = cell.change[m];
    cells.push_back({{"cell", to_string(cell.cell)},
                     {"layer", cell.cell.layer},
                     {"index", cell.cell.index},
                     {"end", cell.high ? "high" : "low"},
                     {"prefixes", cell.prefixes},
                     {"change", changes},
                     {"shallow_index", cell.shallow_index}});
  }
  return {{"layers", layers}, {"cells", cells}, {"tokens", outcome.mutation_tokens}};
}

// Figure 3 of Geva et al. 2021.
std::string mutations_section(const ResultJson& patterns) {
  if (!patterns.contains("mutation") || patterns["mutation"].is_null()) return "";
  const ResultJson& layers = patterns["mutation"]["layers"];
  std::vector<JsonCurve> curves;
  PageTable table{"Change of the coefficient, in percent", "", {{"layer"}, {"cells"}, {"prefixes"}}, {}};
  for (std::size_t m = 0; m < kMutations; ++m) {
    const std::string name = to_string(static_cast<Mutation>(m));
    curves.push_back(
        {name + " one", "change." + name, "intervals." + name + ".0", "intervals." + name + ".1"});
    table.columns.push_back({name});
  }
  table.columns.push_back({"shallow index"});
  for (const ResultJson& layer : layers) {
    std::vector<PageCell> row = {{fmt::format("{}", number_at(layer, "layer"))},
                                 {count_text(layer["cells"])},
                                 {count_text(layer["prefixes"])}};
    for (std::size_t m = 0; m < kMutations; ++m)
      row.push_back({number_text(number_at(layer, "change." + to_string(static_cast<Mutation>(m))))});
    row.push_back({number_text(number_at(layer, "shallow_index"))});
    table.rows.push_back(std::move(row));
  }
  const TitledChart chart =
      layer_chart(layers, "A word taken away", {"change of the coefficient, %", false, false}, curves);
  return "<section>\n<h2>Prefixes with a part taken away</h2>\n" +
         (chart.svg.empty() ? "" : charts_html({chart})) + table_html(table) +
         "<p class=\"note\">How much the coefficient at the end of a trigger prefix changes when its first, "
         "its last or a random part between is taken away; -100 means that nothing is left of it. Means over "
         "cells, "
         "with 95 % intervals. The shallow index of a cell is what the last part takes away, as a share "
         "between 0 and 1.</p>\n</section>\n";
}

}  // namespace

std::string patterns_text(const PatternsOutcome& outcome, const PatternOptions& options,
                          std::size_t columns) {
  Table table({{"layer", Align::kRight},
               {"cells", Align::kRight},
               {"shallow", Align::kRight},
               {"both", Align::kRight},
               {"semantic", Align::kRight},
               {"not covered", Align::kRight},
               {"patterns", Align::kRight},
               {"with one", Align::kRight},
               {"shuffled", Align::kRight},
               {"random", Align::kRight}});
  for (const LayerPatterns& layer : outcome.layers) {
    std::vector<std::string> row = {std::to_string(layer.layer), count_text(layer.cells)};
    for (const PatternShare& share : layer.shares) row.push_back(percent_text(share.share));
    for (const std::string& text : {number_text(layer.patterns), percent_text(layer.with_pattern),
                                    percent_text(layer.shuffled), percent_text(layer.false_alarms)})
      row.push_back(text);
    table.add_row(row);
  }
  Table cells({{"cell"}, {"end"}, {"patterns (prefixes)", Align::kLeft, 20}});
  for (const CellPatterns* cell : clearest_cells(outcome, kListed))
    cells.add_row({to_string(cell->cell), cell->high ? "+" : "-", first_patterns(*cell)});
  return table.text(columns) + (options.topics ? topics_text(outcome, columns) : "") +
         (cells.empty() ? "" : "\nThe best covered cells:\n" + cells.text(columns)) +
         annotators_text(outcome, columns) + mutations_text(outcome, columns) + shape_sentence(outcome) +
         "\n";
}

ResultJson patterns_json(const PatternsOutcome& outcome, const PatternOptions& options) {
  ResultJson layers = ResultJson::array(), cells = ResultJson::array(), annotators = ResultJson::array();
  for (const LayerPatterns& layer : outcome.layers)
    layers.push_back(layer_patterns_json(layer, options.topics));
  for (const CellPatterns& cell : outcome.cells) cells.push_back(cell_patterns_json(cell));
  for (const AnnotatorAgreement& pair : outcome.annotators)
    annotators.push_back({{"a", pair.a},
                          {"b", pair.b},
                          {"cells", pair.cells},
                          {"prefixes", pair.prefixes},
                          {"agreement", pair.agreement},
                          {"kappa", pair.kappa}});
  return {{"emend", emend_version()},
          {"index", options.index.string()},
          {"seed", options.seed},
          {"top", options.top},
          {"background", outcome.background},
          {"layers", layers},
          {"transition", transition_json(outcome)},
          {"crossover", or_null(outcome.crossover)},
          {"cells", cells},
          {"annotators", annotators},
          {"annotations_elsewhere", outcome.annotations_elsewhere},
          {"mutation", outcome.mutations.empty() ? ResultJson(nullptr) : mutations_json(outcome)},
          {"seconds", outcome.seconds}};
}

std::string patterns_sections(const ResultJson& patterns) {
  const ResultJson& layers = patterns["layers"];
  std::vector<JsonCurve> curves;
  for (std::size_t label = 0; label < kPrefixLabels; ++label)
    curves.push_back({to_string(static_cast<PrefixLabel>(label)), "shares." + key_of(label),
                      "intervals." + key_of(label) + ".0", "intervals." + key_of(label) + ".1"});
  std::vector<TitledChart> charts = {
      layer_chart(layers, "What trigger prefixes have in common", {"share of prefixes", true}, curves),
      layer_chart(layers, "Cells with a pattern", {"share of cells", true},
                  {{"as scanned", "with_pattern"},
                   {"prefixes shuffled", "with_pattern_shuffled"},
                   {"random prefixes", "with_pattern_random"}})};
  std::erase_if(charts, [](const TitledChart& chart) { return chart.svg.empty(); });
  PageTable table{"Layers", "", {{"layer"}, {"cells"}}, {}};
  for (std::size_t label = 0; label < kPrefixLabels; ++label)
    table.columns.push_back({to_string(static_cast<PrefixLabel>(label))});
  for (const char* name : {"patterns a cell", "cells with one", "shuffled", "random"})
    table.columns.push_back({name});
  for (const ResultJson& layer : layers) {
    std::vector<PageCell> row = {{fmt::format("{}", number_at(layer, "layer"))},
                                 {count_text(layer["cells"])}};
    for (std::size_t label = 0; label < kPrefixLabels; ++label)
      row.push_back({fmt::format("{} ({} to {})", percent_text(number_at(layer, "shares." + key_of(label))),
                                 percent_text(number_at(layer, "intervals." + key_of(label) + ".0")),
                                 percent_text(number_at(layer, "intervals." + key_of(label) + ".1")))});
    row.push_back({number_text(number_at(layer, "patterns_mean"))});
    for (const char* path : {"with_pattern", "with_pattern_shuffled", "with_pattern_random"})
      row.push_back({percent_text(number_at(layer, path))});
    table.rows.push_back(std::move(row));
  }
  return "<section>\n<h2>Patterns of trigger prefixes</h2>\n" + (charts.empty() ? "" : charts_html(charts)) +
         table_html(table) +
         "<p class=\"note\">Shallow: a last token, a last word or an n-gram at the end that is more frequent "
         "than "
         "chance allows; semantic: content words in front of the last one. In brackets 95 % intervals, "
         "bootstrap "
         "over cells. Shuffled: the same prefixes dealt out to the cells anew; random: prefixes drawn from "
         "the "
         "text.</p>\n</section>\n" +
         mutations_section(patterns);
}

std::string patterns_page(const PatternsOutcome& outcome, const PatternOptions& options) {
  PageTable cells{"Cells", "", {{"cell"}, {"end"}, {"patterns", true}}, {}};
  for (const CellPatterns* cell : clearest_cells(outcome, kListedOnPage))
    cells.rows.push_back(
        {{to_string(cell->cell)}, {cell->high ? "+" : "-"}, {first_patterns(*cell), "model-text"}});
  Page page;
  page.title = "Patterns of trigger examples";
  page.subtitle = options.index.string();
  page.summary = shape_sentence(outcome);
  page.body = patterns_sections(patterns_json(outcome, options)) +
              "<section>\n<h2>The best covered cells</h2>\n" + table_html(cells) + "</section>\n";
  return page_html(page);
}

}  // namespace emend
