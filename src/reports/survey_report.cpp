#include "reports/survey_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "emend/version.h"
#include "pipeline/result_json.h"
#include "report/numbers.h"
#include "report/table.h"
#include "reports/layer_curves.h"
#include "reports/page.h"

namespace emend {
namespace {

constexpr std::size_t kListed = 20, kWords = 8;

std::string words_text(const std::vector<std::string>& tokens, std::size_t count = kWords) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < std::min(count, tokens.size()); ++i) words.push_back(quote(tokens[i]));
  return join(words, " ");
}

std::string section(const std::string& heading, const std::string& body) {
  return "<section>\n<h2>" + heading + "</h2>\n" + body + "</section>\n";
}

// The same rows for a terminal and for a page: the last columns of words are text.
struct Rows {
  std::vector<std::string> names;
  std::size_t words = 0;  // how many columns at the end hold words
  std::vector<std::vector<std::string>> rows;

  std::string text(std::size_t columns, std::size_t most = kListed) const {
    std::vector<TableColumn> heads;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const bool is_words = i + words >= names.size();
      heads.push_back({names[i], i == 0 || is_words ? Align::kLeft : Align::kRight,
                       is_words ? std::size_t{12} : std::size_t{0}});
    }
    Table table(heads);
    for (std::size_t i = 0; i < std::min(most, rows.size()); ++i) table.add_row(rows[i]);
    return table.text(columns);
  }
  std::string html(const std::string& label) const {
    PageTable table{label, "", {}, {}};
    for (std::size_t i = 0; i < names.size(); ++i)
      table.columns.push_back({names[i], i + words >= names.size()});
    for (const std::vector<std::string>& row : rows) {
      std::vector<PageCell> cells;
      for (std::size_t i = 0; i < row.size(); ++i)
        cells.push_back({row[i], i + words >= names.size() ? "model-text" : ""});
      table.rows.push_back(std::move(cells));
    }
    return table_html(table);
  }
};

Rows layer_rows(const CompareOutcome& outcome) {
  Rows rows{
      {"layer", "cells", "equal", "cos key", "least", "cos value", "least", "other favourite", "triggers"},
      0,
      {}};
  for (const LayerComparison& layer : outcome.layers)
    rows.rows.push_back({std::to_string(layer.layer), count_text(layer.cells), count_text(layer.identical),
                         number_text(layer.key_cosine[1], 4), number_text(layer.least_key_cosine, 4),
                         number_text(layer.value_cosine[1], 4), number_text(layer.least_value_cosine, 4),
                         percent_text(layer.changed_favourites), number_text(layer.triggers)});
  return rows;
}

Rows cell_rows(const CompareOutcome& outcome) {
  Rows rows{{"cell", "value moved", "cos value", "cos key", "triggers", "before", "after"}, 2, {}};
  for (const ComparedCell& cell : outcome.cells)
    rows.rows.push_back({to_string(cell.cell), percent_text(cell.value_moved),
                         number_text(cell.value_cosine, 4), number_text(cell.key_cosine, 4),
                         number_text(cell.triggers), words_text(cell.before), words_text(cell.after)});
  return rows;
}

Rows cluster_rows(const ClusterOutcome& outcome) {
  Rows rows{{"cluster", "cells", "cosine", "nearest cells", "promotes"}, 2, {}};
  for (std::size_t i = 0; i < outcome.clusters.size(); ++i) {
    const MemoryCluster& one = outcome.clusters[i];
    std::vector<std::string> members;
    for (std::size_t m = 0; m < std::min<std::size_t>(4, one.members.size()); ++m)
      members.push_back(to_string(one.members[m]));
    rows.rows.push_back({std::to_string(i), count_text(one.size), number_text(one.cosine), join(members, " "),
                         words_text(one.tokens)});
  }
  return rows;
}

std::string cluster_sentence(const ClusterOutcome& outcome) {
  return fmt::format("{} cells in {} clusters after {} sweeps{}; mean cosine with the centre {}.",
                     count_text(outcome.cells),
                     count_text(static_cast<std::int64_t>(outcome.clusters.size())), outcome.sweeps,
                     outcome.settled ? "" : " (not settled yet)", number_text(outcome.cosine));
}

Rows audited_rows(const AuditedPattern& pattern) {
  Rows rows{{"cell", "precision", "of", "score", "match", "document"}, 2, {}};
  for (const AuditedCell& cell : pattern.cells)
    rows.rows.push_back({to_string(cell.cell) + (cell.high ? " +" : " -"), percent_text(cell.precision),
                         std::to_string(cell.of), percent_text(cell.score_share), quote(cell.example),
                         cell.source});
  return rows;
}

Rows duplicate_rows(const Redundancy& found) {
  Rows rows{{"cell", "and", "cosine"}, 0, {}};
  for (const DuplicateCells& pair : found.duplicates)
    rows.rows.push_back({to_string(pair.a), to_string(pair.b), number_text(pair.cosine, 4)});
  return rows;
}

std::string redundancy_sentence(const Redundancy& found) {
  std::string text = fmt::format("{} dead cells, {} pairs of duplicate values.",
                                 count_text(static_cast<std::int64_t>(found.dead.size())),
                                 count_text(static_cast<std::int64_t>(found.duplicates.size())));
  if (found.tokens > 0)
    text += fmt::format(
        " Perplexity over {} tokens: {} as it is, {} without the dead cells, {} without the second cell of "
        "each "
        "pair of duplicates.",
        count_text(found.tokens), number_text(found.perplexity, 6), number_text(found.without_dead, 6),
        number_text(found.without_duplicates, 6));
  return text;
}

std::string pattern_sentence(const AuditedPattern& pattern) {
  const auto listed = static_cast<std::int64_t>(pattern.cells.size());
  std::string text =
      fmt::format("{} ({}): {} ends of cells have a trigger that matches, {} are listed", pattern.name,
                  pattern.expression, count_text(pattern.matching), count_text(listed));
  if (pattern.below_least > 0)
    text += fmt::format("; of {} the share of triggers that match is below the least that was asked for",
                        count_text(pattern.below_least));
  if (const std::int64_t more = pattern.matching - pattern.below_least - listed; more > 0)
    text += fmt::format("; {} more are beyond the cells asked for", count_text(more));
  return text + ".";
}

ResultJson cells_json(const std::vector<MemoryId>& cells) {
  ResultJson json = ResultJson::array();
  for (const MemoryId& cell : cells) json.push_back(to_string(cell));
  return json;
}

}  // namespace

std::string compare_text(const CompareOutcome& outcome, std::size_t columns) {
  return layer_rows(outcome).text(columns, outcome.layers.size()) + "\nThe cells that differ most:\n" +
         cell_rows(outcome).text(columns);
}

ResultJson compare_json(const CompareOutcome& outcome, const Model& a, const Model& b) {
  ResultJson layers = ResultJson::array(), cells = ResultJson::array();
  for (const LayerComparison& layer : outcome.layers)
    layers.push_back({{"layer", layer.layer},
                      {"cells", layer.cells},
                      {"identical", layer.identical},
                      {"key_cosine_quartiles", layer.key_cosine},
                      {"least_key_cosine", layer.least_key_cosine},
                      {"value_cosine_quartiles", layer.value_cosine},
                      {"least_value_cosine", layer.least_value_cosine},
                      {"changed_favourites", layer.changed_favourites},
                      {"trigger_jaccard", or_null(layer.triggers)}});
  for (const ComparedCell& cell : outcome.cells)
    cells.push_back({{"cell", to_string(cell.cell)},
                     {"layer", cell.cell.layer},
                     {"index", cell.cell.index},
                     {"key_cosine", cell.key_cosine},
                     {"gate_cosine", or_null(cell.gate_cosine)},
                     {"value_cosine", cell.value_cosine},
                     {"value_moved", cell.value_moved},
                     {"trigger_jaccard", or_null(cell.triggers)},
                     {"before", cell.before},
                     {"after", cell.after}});
  return {{"emend", emend_version()},
          {"a", model_json(a)},
          {"b", model_json(b)},
          {"layers", layers},
          {"cells", cells}};
}

std::string compare_page(const CompareOutcome& outcome, const Model& a, const Model& b) {
  const ResultJson layers = compare_json(outcome, a, b)["layers"];
  std::vector<TitledChart> charts = {
      layer_chart(layers, "Cosine of keys and values", {"median over cells", false, false},
                  {{"keys", "key_cosine_quartiles.1"}, {"values", "value_cosine_quartiles.1"}}),
      layer_chart(layers, "Values with another favourite", {"share of cells", true},
                  {{"cells", "changed_favourites"}})};
  std::erase_if(charts, [](const TitledChart& chart) { return chart.svg.empty(); });
  Page page;
  page.title = "Two checkpoints, cell by cell";
  page.subtitle = fmt::format("{} and {}", a.path().string(), b.path().string());
  page.body =
      section("Layers", (charts.empty() ? "" : charts_html(charts)) + layer_rows(outcome).html("Layers")) +
      section("The cells that differ most", cell_rows(outcome).html("Cells"));
  return page_html(page);
}

std::string cluster_text(const ClusterOutcome& outcome, std::size_t columns) {
  return cluster_rows(outcome).text(columns) + cluster_sentence(outcome) + "\n";
}

ResultJson cluster_json(const ClusterOutcome& outcome, const Model& model, const ClusterOptions& options) {
  ResultJson clusters = ResultJson::array(), of = ResultJson::object();
  for (const MemoryCluster& one : outcome.clusters)
    clusters.push_back({{"size", one.size},
                        {"cosine", one.cosine},
                        {"members", cells_json(one.members)},
                        {"tokens", one.tokens}});
  for (const auto& [cell, cluster] : outcome.cluster_of) of[to_string(cell)] = cluster;
  return {{"emend", emend_version()}, {"model", model_json(model)}, {"seed", options.seed},
          {"cells", outcome.cells},   {"sweeps", outcome.sweeps},   {"settled", outcome.settled},
          {"cosine", outcome.cosine}, {"clusters", clusters},       {"cluster_of", of}};
}

std::string cluster_page(const ClusterOutcome& outcome, const Model& model) {
  Page page;
  page.title = "Cells whose values promote the same words";
  page.subtitle = model.path().string();
  page.summary = cluster_sentence(outcome);
  page.body = section("Clusters", cluster_rows(outcome).html("Clusters"));
  return page_html(page);
}

std::string audit_text(const AuditOutcome& outcome, std::size_t columns) {
  std::string text;
  for (const AuditedPattern& pattern : outcome.patterns)
    text += pattern_sentence(pattern) + "\n" +
            (pattern.cells.empty() ? "" : audited_rows(pattern).text(columns)) + "\n";
  if (outcome.redundancy) {
    if (!outcome.redundancy->duplicates.empty()) text += duplicate_rows(*outcome.redundancy).text(columns);
    text += redundancy_sentence(*outcome.redundancy) + "\n";
  }
  return text + fmt::format("{} cells were looked at.\n", count_text(outcome.cells));
}

ResultJson audit_json(const AuditOutcome& outcome, const AuditOptions& options) {
  ResultJson patterns = ResultJson::array(), redundancy = nullptr;
  for (const AuditedPattern& pattern : outcome.patterns) {
    ResultJson cells = ResultJson::array();
    for (const AuditedCell& cell : pattern.cells)
      cells.push_back({{"cell", to_string(cell.cell)},
                       {"end", cell.high ? "high" : "low"},
                       {"hits", cell.hits},
                       {"of", cell.of},
                       {"precision", cell.precision},
                       {"score_share", cell.score_share},
                       {"match", cell.example},
                       {"source", cell.source}});
    patterns.push_back({{"name", pattern.name},
                        {"expression", pattern.expression},
                        {"matching", pattern.matching},
                        {"below_least", pattern.below_least},
                        {"cells", cells}});
  }
  if (outcome.redundancy) {
    const Redundancy& found = *outcome.redundancy;
    ResultJson duplicates = ResultJson::array();
    for (const DuplicateCells& pair : found.duplicates)
      duplicates.push_back({{"a", to_string(pair.a)}, {"b", to_string(pair.b)}, {"cosine", pair.cosine}});
    redundancy = {{"dead", cells_json(found.dead)},
                  {"duplicates", duplicates},
                  {"tokens", found.tokens},
                  {"perplexity", found.perplexity},
                  {"perplexity_without_dead", found.without_dead},
                  {"perplexity_without_duplicates", found.without_duplicates}};
  }
  return {{"emend", emend_version()}, {"index", options.index.string()}, {"cells", outcome.cells},
          {"patterns", patterns},     {"redundancy", redundancy},        {"seconds", outcome.seconds}};
}

std::string audit_page(const AuditOutcome& outcome, const AuditOptions& options) {
  Page page;
  page.title = "Cells audited";
  page.subtitle = options.index.string();
  for (const AuditedPattern& pattern : outcome.patterns)
    page.summary += (page.summary.empty() ? "" : " ") + pattern_sentence(pattern);
  for (const AuditedPattern& pattern : outcome.patterns)
    if (!pattern.cells.empty())
      page.body += section("Triggers with a match", audited_rows(pattern).html(pattern.name));
  if (outcome.redundancy) {
    page.summary += (page.summary.empty() ? "" : " ") + redundancy_sentence(*outcome.redundancy);
    page.body += section("Duplicate values", duplicate_rows(*outcome.redundancy).html("Duplicates"));
  }
  return page_html(page);
}

std::string export_text(const ExportOutcome& outcome, const ExportOptions& options) {
  return fmt::format("{} files in {}: {} cells, {} examples, {} labels.\n",
                     count_text(static_cast<std::int64_t>(outcome.outputs.size())), options.out.string(),
                     count_text(outcome.cells), count_text(outcome.examples), count_text(outcome.labels));
}

ResultJson export_json(const ExportOutcome& outcome) {
  return {{"emend", emend_version()},
          {"cells", outcome.cells},
          {"examples", outcome.examples},
          {"labels", outcome.labels},
          {"outputs", paths_json(outcome.outputs)}};
}

}  // namespace emend
