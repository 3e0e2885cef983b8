#include "reports/effects_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/stage_clock.h"
#include "base/strings.h"
#include "emend/version.h"
#include "pipeline/result_json.h"
#include "report/numbers.h"
#include "report/table.h"
#include "reports/layer_curves.h"
#include "reports/page.h"

namespace emend {
namespace {

constexpr std::size_t kListed = 20, kListedOnPage = 200;
constexpr std::size_t kShown = 60;  // bytes of a prefix

// The end of a prefix, from the beginning of a character on.
std::string end_of(const std::string& text) {
  if (text.size() <= kShown) return text;
  std::size_t first = text.size() - kShown;
  while (first < text.size() && (static_cast<unsigned char>(text[first]) & 0xC0) == 0x80) ++first;
  return "…" + text.substr(first);
}

// What `strongest` gives, for the head of a table.
std::string strongest_title(const EffectOutcome& outcome, std::size_t count) {
  if (outcome.cells.size() <= count) return "The strongest cells";
  return fmt::format("The {} strongest of {} cells", count,
                     count_text(static_cast<std::int64_t>(outcome.cells.size())));
}

std::vector<const CellEffect*> strongest(const EffectOutcome& outcome, std::size_t count) {
  std::vector<const CellEffect*> cells;
  for (const CellEffect& cell : outcome.cells) cells.push_back(&cell);
  std::stable_sort(cells.begin(), cells.end(), [](const CellEffect* a, const CellEffect* b) {
    return std::abs(a->effect) > std::abs(b->effect);
  });
  if (cells.size() > count) cells.resize(count);
  return cells;
}

const std::vector<std::string> kLayerColumns = {"layer", "cells",  "effect",    "interval",   "helps",
                                                "KL",    "direct", "same sign", "correlation"};
const std::vector<std::string> kCellColumns = {"cell", "end",    "m",     "effect",
                                               "KL",   "direct", "logit", "p(next)"};

std::vector<std::string> layer_row(const LayerEffects& layer) {
  return {
      std::to_string(layer.layer),   count_text(layer.cells),
      number_text(layer.effect),     fmt::format("{} to {}", number_text(layer.low), number_text(layer.high)),
      percent_text(layer.helps),     number_text(layer.kl),
      number_text(layer.direct),     percent_text(layer.same_sign),
      number_text(layer.correlation)};
}

std::vector<std::string> cell_row(const CellEffect& cell) {
  return {to_string(cell.cell),          cell.high ? "+" : "-",
          number_text(cell.coefficient), number_text(cell.effect),
          number_text(cell.kl),          number_text(cell.direct),
          number_text(cell.logit),       probability_text(cell.probability)};
}

std::string effects_summary(const EffectOutcome& outcome) {
  return fmt::format("{} cells at {} prefixes; {} more have no trigger that a token of the text follows.",
                     count_text(static_cast<std::int64_t>(outcome.cells.size())),
                     count_text(outcome.prefixes), count_text(outcome.without));
}

ResultJson layers_json(const EffectOutcome& outcome) {
  ResultJson layers = ResultJson::array();
  for (const LayerEffects& layer : outcome.layers)
    layers.push_back({{"layer", layer.layer},
                      {"cells", layer.cells},
                      {"effect", layer.effect},
                      {"interval", {layer.low, layer.high}},
                      {"helps", layer.helps},
                      {"kl", layer.kl},
                      {"direct", layer.direct},
                      {"same_sign", layer.same_sign},
                      {"correlation", layer.correlation}});
  return layers;
}

}  // namespace

std::string effects_text(const EffectOutcome& outcome, std::size_t columns) {
  std::vector<TableColumn> names;
  for (const std::string& name : kLayerColumns) names.push_back({name, Align::kRight});
  Table layers(std::move(names));
  for (const LayerEffects& layer : outcome.layers) layers.add_row(layer_row(layer));
  std::vector<TableColumn> cell_names;
  for (const std::string& name : kCellColumns)
    cell_names.push_back({name, name == "cell" || name == "end" ? Align::kLeft : Align::kRight});
  cell_names.push_back({"next"});
  cell_names.push_back({"prefix", Align::kLeft, 16});
  Table cells(std::move(cell_names));
  for (const CellEffect* cell : strongest(outcome, kListed)) {
    std::vector<std::string> row = cell_row(*cell);
    row.push_back(quote(cell->next));
    row.push_back(end_of(cell->text));
    cells.add_row(row);
  }
  return fmt::format("What log p of the next token loses without the cell:\n{}\n{}:\n{}\n{}\n",
                     layers.text(columns), strongest_title(outcome, kListed), cells.text(columns),
                     effects_summary(outcome));
}

ResultJson effects_json(const EffectOutcome& outcome, const EffectOptions& options, const Model& model) {
  ResultJson cells = ResultJson::array();
  for (const CellEffect& cell : outcome.cells)
    cells.push_back({{"cell", to_string(cell.cell)},
                     {"layer", cell.cell.layer},
                     {"index", cell.cell.index},
                     {"end", cell.high ? "high" : "low"},
                     {"triggers", cell.triggers},
                     {"coefficient", cell.coefficient},
                     {"effect", cell.effect},
                     {"logit", cell.logit},
                     {"kl", cell.kl},
                     {"direct", cell.direct},
                     {"text", cell.text},
                     {"next", cell.next},
                     {"p", cell.probability}});
  return {{"emend", emend_version()},     {"model", model_json(model)},     {"index", options.index.string()},
          {"triggers", options.triggers}, {"longest", options.longest},     {"prefixes", outcome.prefixes},
          {"without", outcome.without},   {"layers", layers_json(outcome)}, {"cells", cells},
          {"seconds", outcome.seconds}};
}

std::string effects_page(const EffectOutcome& outcome, const EffectOptions& options, const Model& model) {
  PageTable layers{"layers", "", {}, {}}, cells{"cells", "", {}, {}};
  for (const std::string& name : kLayerColumns) layers.columns.push_back({name});
  for (const LayerEffects& layer : outcome.layers) {
    std::vector<PageCell> row;
    for (const std::string& text : layer_row(layer)) row.push_back({text});
    layers.rows.push_back(std::move(row));
  }
  for (const std::string& name : kCellColumns) cells.columns.push_back({name});
  cells.columns.push_back({"next", true});
  cells.columns.push_back({"prefix", true});
  for (const CellEffect* cell : strongest(outcome, kListedOnPage)) {
    std::vector<PageCell> row;
    for (const std::string& text : cell_row(*cell)) row.push_back({text});
    row.push_back({quote(cell->next), "model-text"});
    row.push_back({cell->text, "model-text"});
    cells.rows.push_back(std::move(row));
  }
  const ResultJson curve = layers_json(outcome);
  std::vector<TitledChart> charts;
  for (const TitledChart& chart :
       {layer_chart(curve, "What the next token loses", {"log p, nats", false, false},
                    {{"without the cell", "effect", "interval.0", "interval.1"}}),
        layer_chart(curve, "Change of the distribution", {"KL, nats", false, true}, {{"KL", "kl"}})})
    if (!chart.svg.empty()) charts.push_back(chart);
  Page page;
  page.title = "What cells do where they are triggered";
  page.summary = effects_summary(outcome);
  page.body =
      "<section>\n<h2>By layer</h2>\n<p class=\"note\">Effect: what log p of the token that follows the "
      "trigger loses when the coefficient there is 0 and all behind it runs again. Helps: cells without "
      "which "
      "that token is less likely. Direct: what the cell adds to its logit at once; same sign and correlation "
      "compare that with what the logit really loses.</p>\n" +
      (charts.empty() ? "" : charts_html(charts)) + table_html(layers) + "</section>\n<section>\n<h2>" +
      strongest_title(outcome, kListedOnPage) + "</h2>\n" + table_html(cells) +
      "</section>\n<section>\n<h2>How this was made</h2>\n" +
      settings_html({{"model", model.path().string()},
                     {"fingerprint of the model", model.fingerprint()},
                     {"index", options.index.string()},
                     {"triggers of a cell", std::to_string(options.triggers)},
                     {"longest prefix", std::to_string(options.longest)}}) +
      "</section>\n";
  return page_html(page);
}

}  // namespace emend
