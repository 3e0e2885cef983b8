#include "reports/explain_report.h"

#include <fmt/format.h>

#include <algorithm>

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
               {"promotes", Align::kLeft, 20}});
  for (const ExplainCell& cell : outcome.cells)
    table.add_row({to_string(cell.cell), fmt::format("{} {}", cell.position, quote(cell.read)),
                   number_text(cell.coefficient), number_text(cell.contribution),
                   number_text(cell.attribution), tokens_text(cell.promotes)});
  return table.text(columns);
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
                    {"promotes", cell.promotes},
                    {"triggers", cell.triggers}});
  return list;
}

}  // namespace

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
  text += outcome.decision_layer < layers
              ? fmt::format(". From layer {} on the stream keeps it as its favourite", outcome.decision_layer)
              : std::string(". The stream does not end with it as its favourite");
  return text + fmt::format("; layer {} adds most to it at once ({}).", strongest.layer,
                            number_text(strongest.direct));
}

std::string explain_text(const ExplainOutcome& outcome, const ExplainOptions& options, std::size_t columns) {
  return fmt::format("{}\n\n{}\n{}\n{}\n", options.prompt, layers_table(outcome, columns),
                     cells_table(outcome, columns), explain_summary(outcome));
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
          {"seconds", outcome.seconds}};
}

}  // namespace emend
