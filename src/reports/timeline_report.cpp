#include "reports/timeline_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "emend/version.h"
#include "pipeline/result_json.h"
#include "report/heat_map.h"
#include "report/numbers.h"
#include "report/table.h"
#include "reports/layer_curves.h"
#include "reports/page.h"

namespace emend {
namespace {

constexpr int kStripWidth = 760;

const std::vector<std::string> kColumns = {
    "layer", "state",   "FFN",         "attention",    "without FFNs", "without attn.", "cut",
    "paid",  "brought", "rank before", "behind attn.", "behind FFN",   "p behind FFN"};

std::vector<std::string> row_of(const TimelineLayer& layer) {
  return {std::to_string(layer.layer),
          number_text(layer.state),
          number_text(layer.ffn),
          number_text(layer.attention),
          number_text(layer.severed_ffn),
          number_text(layer.severed_attention),
          percent_text(layer.cut),
          percent_text(layer.paid),
          number_text(layer.brought),
          count_text(layer.entering.rank),
          count_text(layer.behind_attention.rank),
          count_text(layer.behind_ffn.rank),
          probability_text(layer.behind_ffn.probability)};
}

std::string layers_text(const TimelinePhase& phase) {
  return phase.first == phase.last ? fmt::format("layer {}", phase.first)
                                   : fmt::format("layers {} to {}", phase.first, phase.last);
}

std::string phase_text(const TimelinePhase& phase) {
  if (!phase.found) return fmt::format("none: {}", phase.reason);
  return fmt::format("{}, most in layer {} ({})", layers_text(phase), phase.peak, number_text(phase.effect));
}

std::string timeline_summary(const TimelineOutcome& outcome) {
  std::string text = fmt::format("p({}) is {}; with noise on the subject {}.", quote(outcome.answer),
                                 probability_text(outcome.high), probability_text(outcome.low));
  for (const TimelinePhase& phase : outcome.phases)
    text += fmt::format(" {}: {}.", phase.name, phase_text(phase));
  return text;
}

std::string order_text(const TimelineOutcome& outcome) {
  if (outcome.in_order) return "The three phases follow each other.";
  const bool all = std::all_of(outcome.phases.begin(), outcome.phases.end(),
                               [](const TimelinePhase& phase) { return phase.found; });
  return all ? "The three phases do not follow each other." : "Not all three phases were found.";
}

ResultJson state_json(const TimelineState& state) {
  return {{"rank", state.rank}, {"p", state.probability}};
}

ResultJson layers_json(const TimelineOutcome& outcome) {
  ResultJson layers = ResultJson::array();
  for (const TimelineLayer& layer : outcome.layers)
    layers.push_back({{"layer", layer.layer},
                      {"state", layer.state},
                      {"ffn", layer.ffn},
                      {"attention", layer.attention},
                      {"severed_ffn", layer.severed_ffn},
                      {"severed_attention", layer.severed_attention},
                      {"cut", layer.cut},
                      {"paid", layer.paid},
                      {"paid_most", layer.paid_most},
                      {"paid_head", layer.paid_head},
                      {"brought", layer.brought},
                      {"entering", state_json(layer.entering)},
                      {"behind_attention", state_json(layer.behind_attention)},
                      {"behind_ffn", state_json(layer.behind_ffn)}});
  return layers;
}

// The three phases above each other, each strip in shares of its largest value, or of the least that counts
// as an effect where nothing reaches that.
std::string strips_svg(const TimelineOutcome& outcome) {
  HeatMap map;
  map.frame = {"Three phases over the layers", timeline_summary(outcome), kStripWidth};
  map.x_label = "layer";
  map.scale_label = "share of the strip's largest";
  const auto add = [&](std::size_t phase, const std::string& label, double least, const auto& value) {
    HeatMap::Row row{label, outcome.phases[phase].found, {}, {}};
    double most = least;
    for (const TimelineLayer& layer : outcome.layers) most = std::max(most, value(layer));
    for (const TimelineLayer& layer : outcome.layers)
      row.values.push_back(most > 0 ? std::max(0.0, value(layer)) / most : 0);
    map.rows.push_back(std::move(row));
  };
  add(0, "collect: networks at the subject", kLeastTimelineEffect * (outcome.high - outcome.low),
      [](const TimelineLayer& layer) { return layer.ffn; });
  add(1, "recall: attention to the subject", kLeastTimelineEffect,
      [](const TimelineLayer& layer) { return -layer.cut; });
  add(2, "organise: p(answer) at the end", 0,
      [](const TimelineLayer& layer) { return layer.behind_ffn.probability; });
  return heat_map_svg(map);
}

std::string phases_table(const TimelineOutcome& outcome) {
  PageTable table{"phases", "", {{"phase"}, {"found", true}, {"rule", true}}, {}};
  for (const TimelinePhase& phase : outcome.phases)
    table.rows.push_back({{phase.name}, {phase_text(phase)}, {phase.rule}});
  return table_html(table);
}

}  // namespace

std::string timeline_text(const TimelineOutcome& outcome, std::size_t columns) {
  std::vector<TableColumn> names;
  for (const std::string& name : kColumns) names.push_back({name, Align::kRight});
  Table table(std::move(names));
  for (const TimelineLayer& layer : outcome.layers) table.add_row(row_of(layer));
  Table phases({{"phase"}, {"found"}});
  for (const TimelinePhase& phase : outcome.phases) phases.add_row({phase.name, phase_text(phase)});
  std::vector<std::string> subject;
  for (std::int64_t t = outcome.subject_begin; t < outcome.subject_end; ++t)
    subject.push_back(quote(outcome.pieces[static_cast<std::size_t>(t)]));
  return fmt::format(
      "p({}) {}, with noise on the subject {}; the subject is {}, tokens {} to {}.\nAt the subject's last "
      "token what restoring gives back of p; at the last token the subject's part of attention,\nwhat heads "
      "bring from it to the logit, and the rank of {} in the stream:\n{}\n{}{}\n",
      quote(outcome.answer), probability_text(outcome.high), probability_text(outcome.low),
      join(subject, " "), outcome.subject_begin, outcome.subject_end - 1, quote(outcome.token),
      table.text(columns), phases.text(columns), order_text(outcome));
}

ResultJson timeline_json(const TimelineOutcome& outcome, const TimelineOptions& options, const Model& model) {
  ResultJson phases = ResultJson::array();
  for (const TimelinePhase& phase : outcome.phases) {
    ResultJson one = {{"name", phase.name}, {"rule", phase.rule}, {"found", phase.found}};
    for (const char* key : {"first", "last", "peak", "effect"}) one[key] = nullptr;
    if (phase.found) {
      one["first"] = phase.first;
      one["last"] = phase.last;
      one["peak"] = phase.peak;
      one["effect"] = phase.effect;
    }
    one["reason"] = phase.found ? ResultJson(nullptr) : ResultJson(phase.reason);
    phases.push_back(std::move(one));
  }
  return {{"emend", emend_version()},
          {"model", model_json(model)},
          {"prompt", options.prompt},
          {"subject", options.subject},
          {"ids", outcome.ids},
          {"pieces", outcome.pieces},
          {"subject_begin", outcome.subject_begin},
          {"subject_end", outcome.subject_end},
          {"token", {{"id", outcome.token_id}, {"text", outcome.token}, {"p", outcome.probability}}},
          {"answer", outcome.answer},
          {"said", outcome.said},
          {"high", outcome.high},
          {"low", outcome.low},
          {"samples", options.samples},
          {"window", outcome.window},
          {"share", options.share},
          {"seed", options.seed},
          {"layers", layers_json(outcome)},
          {"phases", phases},
          {"in_order", outcome.in_order},
          {"seconds", outcome.seconds}};
}

std::string timeline_page(const TimelineOutcome& outcome, const TimelineOptions& options,
                          const Model& model) {
  PageTable table{"layers", "", {}, {}};
  for (const std::string& name : kColumns) table.columns.push_back({name});
  for (const TimelineLayer& layer : outcome.layers) {
    std::vector<PageCell> row;
    for (const std::string& text : row_of(layer)) row.push_back({text});
    table.rows.push_back(std::move(row));
  }
  const ResultJson layers = layers_json(outcome);
  Page page;
  page.title = fmt::format("How {} comes about", quote(outcome.answer));
  page.subtitle = options.prompt;
  page.summary = timeline_summary(outcome) + " " + order_text(outcome);
  page.body =
      "<section>\n<h2>Three phases</h2>\n<p class=\"note\">Each strip in shares of its largest value, or of "
      "the least that counts as an effect where nothing reaches that; a bar marks a phase that its rule "
      "finds.</p>\n" +
      charts_html({{"Three phases over the layers", strips_svg(outcome)}}) + phases_table(outcome) +
      "</section>\n<section>\n<h2>Layer by layer</h2>\n" +
      charts_html({layer_chart(layers, "Given back at the subject's last token", {"p - low", false, false},
                               {{"the stream", "state"}, {"networks", "ffn"}, {"attention", "attention"}}),
                   layer_chart(layers, "The stream, paths severed", {"p - low", false, false},
                               {{"whole", "state"},
                                {"networks stay corrupted", "severed_ffn"},
                                {"attention stays corrupted", "severed_attention"}}),
                   layer_chart(layers, "Attention of the last token to the subject", {"share", true, true},
                               {{"mean of the heads", "paid"}, {"largest head", "paid_most"}}),
                   layer_chart(layers, "p of the first token at the last token", {"p", false, true},
                               {{"in front", "entering.p"},
                                {"behind attention", "behind_attention.p"},
                                {"behind the network", "behind_ffn.p"}})}) +
      "<p class=\"note\">State, FFN, attention: what restoring them at the subject's last token gives back "
      "of "
      "p, networks and attention in a window of layers; without: the stream restored while all networks, or "
      "all of attention, stay corrupted there. Cut: the change of p when the last token cannot read the "
      "subject in the window. Paid: the subject's share of the last token's attention. Brought: what the "
      "heads "
      "bring from it to the logit at once.</p>\n" +
      table_html(table) + "</section>\n<section>\n<h2>How this was made</h2>\n" +
      settings_html({{"model", model.path().string()},
                     {"fingerprint of the model", model.fingerprint()},
                     {"text begins with", options.bos},
                     {"subject", options.subject},
                     {"samples of noise", std::to_string(options.samples)},
                     {"window", std::to_string(outcome.window)},
                     {"share of the largest effect", number_text(options.share)},
                     {"seed", std::to_string(options.seed)}}) +
      "</section>\n";
  return page_html(page);
}

}  // namespace emend
