#include "reports/explain_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "emend/version.h"
#include "pipeline/result_json.h"
#include "report/numbers.h"
#include "report/table.h"
#include "reports/values_words.h"

namespace emend {
namespace {

std::string first_text(const std::vector<ExplainToken>& tokens) {
  return tokens.empty() ? "-" : quote(tokens.front().text);
}

std::string first_value(const std::vector<ExplainToken>& tokens) {
  return tokens.empty() ? "-" : probability_text(tokens.front().value);
}

std::string layers_table(const ExplainOutcome& outcome, std::size_t columns) {
  Table table({{"layer", Align::kRight},
               {"before FFN"},
               {"p", Align::kRight},
               {"FFN adds"},
               {"after"},
               {"p", Align::kRight},
               {"p(token)", Align::kRight},
               {"rank", Align::kRight},
               {"direct", Align::kRight},
               {"attribution", Align::kRight}});
  for (const ExplainLayer& layer : outcome.layers)
    table.add_row({std::to_string(layer.layer), first_text(layer.residual_top),
                   first_value(layer.residual_top), first_text(layer.ffn_top), first_text(layer.output_top),
                   first_value(layer.output_top), probability_text(layer.output_probability),
                   count_text(layer.output_rank), number_text(layer.direct), number_text(layer.attribution)});
  return table.text(columns);
}

std::string cells_table(const ExplainOutcome& outcome, std::size_t columns) {
  Table table({{"cell"},
               {"at"},
               {"m", Align::kRight},
               {"contribution", Align::kRight},
               {"attribution", Align::kRight},
               {"switched off", Align::kRight},
               {"promotes", Align::kLeft, 20}});
  for (const ExplainCell& cell : outcome.cells)
    table.add_row({to_string(cell.cell), fmt::format("{} {}", cell.position, quote(cell.read)),
                   number_text(cell.coefficient), number_text(cell.contribution),
                   number_text(cell.attribution), number_text(cell.effect), tokens_text(cell.promotes)});
  return table.text(columns);
}

// What an index knows of the cells: nothing without one.
std::string triggers_table(const ExplainOutcome& outcome, std::size_t columns) {
  Table table({{"cell"}, {"best trigger", Align::kLeft, 20}, {"label", Align::kLeft, 10}});
  std::set<std::string> seen;  // a cell may be listed at several tokens
  for (const ExplainCell& cell : outcome.cells)
    if (const std::string end = to_string(cell.cell) + (cell.coefficient < 0 ? " -" : " +");
        !(cell.triggers.empty() && cell.labels.empty()) && seen.insert(end).second)
      table.add_row({end, cell.triggers.empty() ? "-" : quote(ending_text(cell.triggers.front())),
                     cell.labels.empty() ? "-" : cell.labels.front()});
  return table.empty() ? "" : "What triggers them in the index:\n" + table.text(columns) + "\n";
}

// One sum a row: its parts by kind, and the strongest sources.
void add_sum(Table& table, const std::string& what, const std::string& at, const SourceSum& sum,
             const std::vector<std::string>& pieces) {
  table.add_row({what, at, number_text(sum.value), number_text(sum.embedding + sum.positions),
                 number_text(sum.heads), number_text(sum.ffn), number_text(sum.biases),
                 sources_text(sum.strongest, pieces)});
}

std::string sources_table(const ExplainOutcome& outcome, std::size_t columns) {
  if (!outcome.logit_sources) return "";
  Table table({{"what"},
               {"at", Align::kRight},
               {"value", Align::kRight},
               {"embedding", Align::kRight},
               {"heads", Align::kRight},
               {"FFNs", Align::kRight},
               {"biases", Align::kRight},
               {"strongest sources", Align::kLeft, 24}});
  add_sum(table, "logit", std::to_string(outcome.ids.size() - 1), *outcome.logit_sources, outcome.pieces);
  for (const ExplainCell& cell : outcome.cells) {
    const std::string name = to_string(cell.cell), at = std::to_string(cell.position);
    if (cell.gate_sources) add_sum(table, name + " gate", at, *cell.gate_sources, outcome.pieces);
    add_sum(table, name + (cell.gate_sources ? " up" : ""), at, *cell.up_sources, outcome.pieces);
  }
  return table.text(columns) + "\n";
}

ResultJson sum_json(const std::optional<SourceSum>& sum, const std::vector<std::string>& pieces) {
  if (!sum) return nullptr;
  ResultJson strongest = ResultJson::array();
  for (const ExplainSource& source : sum->strongest) {
    ResultJson one = {{"kind", to_string(source.kind)}, {"share", source.share}};
    if (source.layer >= 0) one["layer"] = source.layer;
    if (source.head >= 0) one["head"] = source.head;
    if (source.position >= 0) {
      one["position"] = source.position;
      one["token"] = pieces[static_cast<std::size_t>(source.position)];
    }
    strongest.push_back(std::move(one));
  }
  return {{"value", sum->value},
          {"embedding", sum->embedding},
          {"positions", sum->positions},
          {"biases", sum->biases},
          {"ffn", sum->ffn},
          {"heads", sum->heads},
          {"tokens", sum->tokens},
          {"strongest", strongest}};
}

ResultJson sources_json(const ExplainCell& cell, const std::vector<std::string>& pieces) {
  if (!cell.up_sources) return nullptr;
  return {{"up", sum_json(cell.up_sources, pieces)}, {"gate", sum_json(cell.gate_sources, pieces)}};
}

ResultJson token_json(const ExplainToken& token, const char* value) {
  return {{"id", token.id}, {"text", token.text}, {value, token.value}};
}

ResultJson tokens_json(const std::vector<ExplainToken>& tokens, const char* value) {
  ResultJson list = ResultJson::array();
  for (const ExplainToken& token : tokens) list.push_back(token_json(token, value));
  return list;
}

ResultJson layers_json(const ExplainOutcome& outcome) {
  ResultJson list = ResultJson::array();
  for (const ExplainLayer& layer : outcome.layers)
    list.push_back({{"layer", layer.layer},
                    {"residual_top", tokens_json(layer.residual_top, "p")},
                    {"ffn_top", tokens_json(layer.ffn_top, "logit")},
                    {"output_top", tokens_json(layer.output_top, "p")},
                    {"residual_p", layer.residual_probability},
                    {"output_p", layer.output_probability},
                    {"residual_rank", layer.residual_rank},
                    {"output_rank", layer.output_rank},
                    {"direct", layer.direct},
                    {"direct_of_cells", layer.cells},
                    {"attribution", layer.attribution}});
  return list;
}

ResultJson cells_json(const ExplainOutcome& outcome) {
  ResultJson list = ResultJson::array();
  for (const ExplainCell& cell : outcome.cells)
    list.push_back({{"cell", to_string(cell.cell)},
                    {"layer", cell.cell.layer},
                    {"index", cell.cell.index},
                    {"position", cell.position},
                    {"read", cell.read},
                    {"coefficient", cell.coefficient},
                    {"gate", or_null(cell.gate)},
                    {"up", cell.up},
                    {"strength", cell.strength},
                    {"contribution", cell.contribution},
                    {"attribution", cell.attribution},
                    {"effect", or_null(cell.effect)},
                    {"promotes", cell.promotes},
                    {"triggers", cell.triggers},
                    {"labels", cell.labels},
                    {"sources", sources_json(cell, outcome.pieces)}});
  return list;
}

}  // namespace

std::string sources_text(const std::vector<ExplainSource>& sources, const std::vector<std::string>& pieces) {
  std::vector<std::string> parts;
  for (const ExplainSource& source : sources) {
    std::string name;
    switch (source.kind) {
      case ExplainSource::Kind::kHead:
        name = fmt::format("L{}H{} {} {}", source.layer, source.head, source.position,
                           quote(pieces[static_cast<std::size_t>(source.position)]));
        break;
      case ExplainSource::Kind::kFfn:
        name = fmt::format("FFN {}", source.layer);
        break;
      default:
        name = to_string(source.kind);
    }
    parts.push_back(fmt::format("{} {}", name, number_text(source.share)));
  }
  return join(parts);
}

std::string explain_summary(const ExplainOutcome& outcome) {
  const auto layers = static_cast<int>(outcome.layers.size());
  const ExplainLayer& strongest =
      *std::max_element(outcome.layers.begin(), outcome.layers.end(),
                        [](const ExplainLayer& a, const ExplainLayer& b) { return a.direct < b.direct; });
  std::string text =
      fmt::format("{} follows with p {}", quote(outcome.token.text), probability_text(outcome.token.value));
  if (outcome.against)
    text += fmt::format(", {} with p {}; pushes are of the difference of their logits, {}",
                        quote(outcome.against->text), probability_text(outcome.against->value),
                        number_text(outcome.logit));
  if (outcome.decision_layer < layers)
    text += fmt::format(". From layer {} on the stream keeps it as its favourite", outcome.decision_layer);
  else if (outcome.layers.back().output_rank == 0)
    text += ". It becomes the favourite of the stream behind the last layer's network only";
  else
    text += ". The stream does not end with it as its favourite";
  text +=
      fmt::format("; layer {} adds most to it at once ({}).", strongest.layer, number_text(strongest.direct));
  for (const std::string& word : outcome.first_tokens_of)
    text += fmt::format(" {} has several tokens; only the first one is looked at.", quote(word));
  if (!outcome.cells.empty() && outcome.cells.front().effect)
    text += fmt::format(
        " Switched off, {} of the {} cells move it in the direction of their attribution; the two "
        "correlate at {}.",
        outcome.same_sign, outcome.cells.size(), number_text(outcome.correlation, 2));
  return text;
}

std::string explain_text(const ExplainOutcome& outcome, const ExplainOptions& options, std::size_t columns) {
  return fmt::format("{}\n\n{}\n{}\n{}{}{}\n", options.prompt, layers_table(outcome, columns),
                     cells_table(outcome, columns), triggers_table(outcome, columns),
                     sources_table(outcome, columns), explain_summary(outcome));
}

ResultJson explain_json(const ExplainOutcome& outcome, const ExplainOptions& options, const Model& model) {
  ResultJson against = nullptr;
  if (outcome.against) against = token_json(*outcome.against, "p");
  return {{"emend", emend_version()},
          {"model", model_json(model)},
          {"prompt", options.prompt},
          {"ids", outcome.ids},
          {"pieces", outcome.pieces},
          {"token", token_json(outcome.token, "p")},
          {"against", against},
          {"logit", outcome.logit},
          {"decision_layer", outcome.decision_layer},
          {"layers", layers_json(outcome)},
          {"cells", cells_json(outcome)},
          {"same_sign", options.effects ? ResultJson(outcome.same_sign) : ResultJson(nullptr)},
          {"correlation", options.effects ? ResultJson(outcome.correlation) : ResultJson(nullptr)},
          {"sources", sum_json(outcome.logit_sources, outcome.pieces)},
          {"seconds", outcome.seconds}};
}

}  // namespace emend
