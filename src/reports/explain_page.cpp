// The page about one prompt: predictions by layer, pushes by layer, and the cells.
#include <fmt/format.h>

#include <cmath>

#include "base/strings.h"
#include "report/html.h"
#include "report/numbers.h"
#include "report/svg.h"
#include "reports/explain_report.h"
#include "reports/page.h"
#include "reports/values_words.h"

namespace emend {
namespace {

constexpr int kWidth = 520;

const char* const kSections = R"html(<section>
<h2>The prediction, layer by layer</h2>
<p class="note">Before: the stream at the last token without what the layer's feed-forward half adds; after: with it. Both through the
final norm and the head. What the half adds is read without that norm's division, so it has logits and no probability.</p>
{{{prediction_charts}}}{{{layers}}}</section>
<section>
<h2>The cells</h2>
<p class="note">Contribution: what a cell of the last token adds to the logit at once, with the final norm's size held. Attribution: its
coefficient times the gradient of one backward pass with norms, attention's weights and gates held, so also what it does through later
layers and tokens. Switched off: what the logit really loses without it, where that was asked for.</p>
{{{cells}}}</section>
{{{sources}}}<section>
<h2>How this was made</h2>
{{{settings}}}</section>
)html";

LineChart::Point point(int layer, double value) {
  return {static_cast<double>(layer), {value, NAN, NAN}};
}

std::vector<TitledChart> charts_of(const ExplainOutcome& outcome) {
  LineChart::Series before{"before the FFN", {}}, after{"after", {}}, direct{"contribution, all cells", {}},
      attribution{"attribution, all cells and tokens", {}};
  std::vector<double> pushes;
  for (const ExplainLayer& layer : outcome.layers) {
    before.points.push_back(point(layer.layer, layer.residual_probability));
    after.points.push_back(point(layer.layer, layer.output_probability));
    direct.points.push_back(point(layer.layer, layer.direct));
    attribution.points.push_back(point(layer.layer, layer.attribution));
    pushes.push_back(layer.direct);
    pushes.push_back(layer.attribution);
  }
  const Axis layers{"layer", -0.5, static_cast<double>(outcome.layers.size()) - 0.5}, probability{"p", 0, 1};
  LineChart prediction{.frame = {"Probability of the token", explain_summary(outcome), kWidth},
                       .x = layers,
                       .y = probability,
                       .series = {before, after}};
  LineChart push{.frame = {"What layers add to the logit", explain_summary(outcome), kWidth},
                 .x = layers,
                 .y = axis_around("logit", pushes),
                 .series = {direct, attribution}};
  return {{"Probability of " + quote(outcome.token.text), line_band_svg(prediction)},
          {"What layers add to its logit", line_band_svg(push)}};
}

std::string tops_text(const std::vector<ExplainToken>& tokens) {
  std::vector<std::string> parts;
  for (const ExplainToken& token : tokens)
    parts.push_back(fmt::format("{} {}", quote(token.text), probability_text(token.value)));
  return join(parts);
}

std::string plain_tops(const std::vector<ExplainToken>& tokens) {
  std::vector<std::string> texts;
  for (const ExplainToken& token : tokens) texts.push_back(token.text);
  return tokens_text(texts);
}

std::string layers_table(const ExplainOutcome& outcome) {
  PageTable table{"predictions by layer",
                  "",
                  {{"layer"},
                   {"before", true},
                   {"the FFN adds", true},
                   {"after", true},
                   {"p(token)"},
                   {"rank"},
                   {"contribution"},
                   {"attribution"}},
                  {}};
  for (const ExplainLayer& layer : outcome.layers)
    table.rows.push_back({{std::to_string(layer.layer)},
                          {tops_text(layer.residual_top), "model-text"},
                          {plain_tops(layer.ffn_top), "model-text"},
                          {tops_text(layer.output_top), "model-text"},
                          {probability_text(layer.output_probability)},
                          {count_text(layer.output_rank)},
                          {number_text(layer.direct)},
                          {number_text(layer.attribution)}});
  return table_html(table);
}

std::string cells_table(const ExplainOutcome& outcome) {
  PageTable table{"cells",
                  "",
                  {{"cell"},
                   {"read at", true},
                   {"m"},
                   {"gate"},
                   {"contribution"},
                   {"attribution"},
                   {"switched off"},
                   {"promotes", true},
                   {"triggers", true},
                   {"labels", true}},
                  {}};
  for (const ExplainCell& cell : outcome.cells)
    table.rows.push_back({{to_string(cell.cell)},
                          {fmt::format("{} {}", cell.position, quote(cell.read)), "model-text"},
                          {number_text(cell.coefficient)},
                          {cell.gate ? number_text(*cell.gate) : "-"},
                          {number_text(cell.contribution)},
                          {number_text(cell.attribution), cell.attribution > 0 ? "good" : "bad"},
                          {number_text(cell.effect)},
                          {tokens_text(cell.promotes), "model-text"},
                          {join(cell.triggers, " · "), "model-text"},
                          {join(cell.labels, " · ")}});
  return table_html(table);
}

std::string sources_section(const ExplainOutcome& outcome) {
  if (!outcome.logit_sources) return "";
  PageTable table{"sources",
                  "",
                  {{"what"},
                   {"at"},
                   {"value"},
                   {"embedding"},
                   {"heads"},
                   {"FFNs"},
                   {"biases"},
                   {"strongest sources", true}},
                  {}};
  const auto add = [&](const std::string& what, std::int64_t at, const SourceSum& sum) {
    table.rows.push_back({{what},
                          {std::to_string(at)},
                          {number_text(sum.value)},
                          {number_text(sum.embedding + sum.positions)},
                          {number_text(sum.heads)},
                          {number_text(sum.ffn)},
                          {number_text(sum.biases)},
                          {sources_text(sum.strongest, outcome.pieces), "model-text"}});
  };
  add("logit", static_cast<std::int64_t>(outcome.ids.size()) - 1, *outcome.logit_sources);
  for (const ExplainCell& cell : outcome.cells) {
    if (cell.gate_sources) add(to_string(cell.cell) + " gate", cell.position, *cell.gate_sources);
    add(to_string(cell.cell) + (cell.gate_sources ? " up" : ""), cell.position, *cell.up_sources);
  }
  return "<section>\n<h2>Who made the keys</h2>\n<p class=\"note\">Each score, and the logit, is the sum of "
         "what was "
         "written into the stream before it is read, with the norm's size held. A head's part is shared out "
         "over the "
         "tokens that it reads: layer, head, position and token.</p>\n" +
         table_html(table) + "</section>\n";
}

}  // namespace

std::string explain_page(const ExplainOutcome& outcome, const ExplainOptions& options, const Model& model) {
  Page page;
  page.title = fmt::format("Why {}", quote(outcome.token.text));
  page.subtitle = options.prompt;
  page.summary = explain_summary(outcome);
  page.body = fill_template(
      kSections,
      {{"prediction_charts", charts_html(charts_of(outcome))},
       {"layers", layers_table(outcome)},
       {"cells", cells_table(outcome)},
       {"sources", sources_section(outcome)},
       {"settings", settings_html({{"model", model.path().string()},
                                   {"fingerprint of the model", model.fingerprint()},
                                   {"text begins with", options.bos},
                                   {"tokens of the prompt", std::to_string(outcome.ids.size())},
                                   {"index", options.index.empty() ? "none" : options.index.string()}})}});
  return page_html(page);
}

}  // namespace emend
