#include "reports/footprint_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "emend/version.h"
#include "pipeline/result_json.h"
#include "report/numbers.h"
#include "report/svg.h"
#include "report/table.h"
#include "reports/page.h"
#include "reports/values_words.h"

namespace emend {
namespace {

std::string layer_sentence(const LayerFootprint& layer) {
  std::vector<std::string> parts;
  for (const auto& [count, share] : layer.concentration)
    parts.push_back(fmt::format("{} in {}", percent_text(share), count_text(count)));
  return fmt::format(
      "Layer {}: norm {} ({} of the weight's); of the squared change {} most moved cells; {} of {} cells "
      "hold "
      "90 %. The first token of {} value{} is another one.",
      layer.layer, number_text(layer.norm), percent_text(layer.relative_norm), join(parts),
      count_text(layer.cells_of_90), count_text(layer.cells), count_text(layer.changed_favourites),
      layer.changed_favourites == 1 ? "" : "s");
}

// A value that is zero promotes nothing.
std::string promoted_text(const std::vector<std::string>& tokens) {
  return tokens.empty() ? "(nothing)" : tokens_text(tokens);
}

bool has_triggers(const LayerFootprint& layer) {
  return std::any_of(layer.moved.begin(), layer.moved.end(),
                     [](const MovedCell& cell) { return !cell.triggers.empty(); });
}

std::string trigger_text(const MovedCell& cell) {
  if (cell.triggers.empty()) return "-";
  return (cell.high ? "+ " : "- ") + quote(ending_text(cell.triggers.front()));
}

ResultJson cells_json(const LayerFootprint& layer) {
  ResultJson list = ResultJson::array();
  for (const MovedCell& cell : layer.moved)
    list.push_back({{"cell", to_string(cell.cell)},
                    {"layer", cell.cell.layer},
                    {"index", cell.cell.index},
                    {"moved", cell.moved},
                    {"relative", cell.relative},
                    {"share", cell.share},
                    {"cosine", cell.cosine},
                    {"before", cell.before},
                    {"after", cell.after},
                    {"triggers", cell.triggers},
                    {"trigger_end",
                     cell.triggers.empty() ? ResultJson(nullptr) : ResultJson(cell.high ? "high" : "low")}});
  return list;
}

std::string concentration_chart(const LayerFootprint& layer) {
  BarChart chart;
  chart.frame = {"Where the change lies", layer_sentence(layer), 520};
  chart.x_label = "% of the squared change";
  for (const auto& [count, share] : layer.concentration)
    chart.rows.push_back({fmt::format("{} most moved", count_text(count)), 100 * share});
  return bar_svg(chart);
}

std::string layer_section(const LayerFootprint& layer) {
  PageTable table{
      "moved cells of layer " + std::to_string(layer.layer),
      layer_sentence(layer),
      {{"cell"}, {"moved"}, {"of its length"}, {"share"}, {"cosine"}, {"before", true}, {"after", true}},
      {}};
  const bool triggers = has_triggers(layer);
  if (triggers) table.columns.push_back({"best trigger", true});
  for (const MovedCell& cell : layer.moved) {
    table.rows.push_back({{to_string(cell.cell)},
                          {number_text(cell.moved)},
                          {percent_text(cell.relative)},
                          {percent_text(cell.share)},
                          {number_text(cell.cosine)},
                          {promoted_text(cell.before), "model-text"},
                          {promoted_text(cell.after), "model-text"}});
    if (triggers) table.rows.back().push_back({trigger_text(cell), "model-text"});
  }
  return fmt::format("<section>\n<h2>Layer {}</h2>\n{}{}</section>\n", layer.layer,
                     charts_html({{"Where the change lies", concentration_chart(layer)}}), table_html(table));
}

}  // namespace

std::string footprint_text(const FootprintReport& report, std::size_t columns) {
  std::string text;
  for (const LayerFootprint& layer : report.layers) {
    std::vector<TableColumn> header = {{"cell"},
                                       {"moved", Align::kRight},
                                       {"of its length", Align::kRight},
                                       {"share", Align::kRight},
                                       {"before", Align::kLeft, 20},
                                       {"after", Align::kLeft, 20}};
    const bool triggers = has_triggers(layer);
    if (triggers) header.push_back({"best trigger", Align::kLeft, 20});
    Table table(header);
    for (const MovedCell& cell : layer.moved) {
      std::vector<std::string> row = {to_string(cell.cell),        number_text(cell.moved),
                                      percent_text(cell.relative), percent_text(cell.share),
                                      promoted_text(cell.before),  promoted_text(cell.after)};
      if (triggers) row.push_back(trigger_text(cell));
      table.add_row(row);
    }
    text += layer_sentence(layer) + "\n" + table.text(columns) + "\n";
  }
  return text;
}

ResultJson footprint_json(const FootprintReport& report, const Model& model) {
  ResultJson layers = ResultJson::array();
  for (const LayerFootprint& layer : report.layers) {
    ResultJson concentration = ResultJson::array();
    for (const auto& [count, share] : layer.concentration)
      concentration.push_back({{"cells", count}, {"share", share}});
    layers.push_back({{"layer", layer.layer},
                      {"norm", layer.norm},
                      {"relative_norm", layer.relative_norm},
                      {"cells", layer.cells},
                      {"concentration", concentration},
                      {"cells_of_90", layer.cells_of_90},
                      {"changed_favourites", layer.changed_favourites},
                      {"moved", cells_json(layer)}});
  }
  return {{"emend", emend_version()},
          {"model", model_json(model)},
          {"patches", report.patches},
          {"layers", layers}};
}

std::string footprint_page(const FootprintReport& report, const Model& model) {
  Page page;
  page.title = "Footprint of " + join(report.patches);
  page.subtitle = "Which feed-forward cells the edit moves, and what their values promote before and after.";
  for (const LayerFootprint& layer : report.layers) page.body += layer_section(layer);
  page.body += "<section>\n<h2>How this was made</h2>\n" +
               settings_html({{"model", model.path().string()},
                              {"fingerprint of the model", model.fingerprint()},
                              {"patches", join(report.patches)}}) +
               "</section>\n";
  return page_html(page);
}

}  // namespace emend
