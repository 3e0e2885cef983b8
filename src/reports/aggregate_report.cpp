#include "reports/aggregate_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/stage_clock.h"
#include "emend/version.h"
#include "pipeline/result_json.h"
#include "report/numbers.h"
#include "report/table.h"
#include "reports/layer_curves.h"
#include "reports/page.h"

namespace emend {
namespace {

ResultJson interval_json(const ShareWithInterval& share) {
  return {share.low, share.high};
}

ResultJson decisions_json(const std::array<double, kDecisions>& shares) {
  ResultJson json = ResultJson::object();
  for (std::size_t d = 0; d < kDecisions; ++d) json[to_string(static_cast<Decision>(d))] = shares[d];
  return json;
}

ResultJson layer_json(const LayerAggregate& layer) {
  return {{"layer", layer.layer},
          {"cells", layer.cells},
          {"active_mean", layer.active_mean},
          {"active_quartiles", layer.active},
          {"participation_ratio", layer.participation},
          {"cells_of_90", layer.cells_of_90},
          {"above_hundredth", layer.above_hundredth},
          {"dominance", layer.dominance},
          {"zero_agreement", layer.zero_agreement.share},
          {"zero_agreement_interval", interval_json(layer.zero_agreement)},
          {"zero_agreement_all_cells", layer.zero_agreement_all.share},
          {"agreeing_cells", layer.agreeing_cells},
          {"agreeing_share", layer.agreeing_share},
          {"stop_words_where_agreeing", layer.stop_words_agreeing},
          {"stop_words_where_zero", layer.stop_words_zero},
          {"short_prefixes_where_agreeing", layer.short_agreeing},
          {"short_prefixes_where_zero", layer.short_zero},
          {"coalition_median", layer.coalition},
          {"residual_is_final", layer.residual_is_final.share},
          {"residual_is_final_interval", interval_json(layer.residual_is_final)},
          {"output_is_final", layer.output_is_final},
          {"ffn_is_output", layer.ffn_is_output.share},
          {"ffn_is_output_interval", interval_json(layer.ffn_is_output)},
          {"ffn_is_final", layer.ffn_is_final},
          {"final_probability_quartiles", layer.final_probability},
          {"decided", layer.decided},
          {"ffn_decisions", decisions_json(layer.ffn)},
          {"attention_decisions", decisions_json(layer.attention)},
          {"vetoed", layer.vetoed},
          {"near", layer.near},
          {"saturated", layer.saturated},
          {"eliminated", layer.eliminated}};
}

std::string share_cell(const ResultJson& layer, const std::string& path) {
  return percent_text(number_at(layer, path));
}

// The columns of the table on a page.
struct AggregateColumn {
  const char* name;
  const char* path;
  bool percent;
};
constexpr AggregateColumn kColumns[] = {{"active cells", "active_mean", false},
                                        {"hold 90 %", "cells_of_90", false},
                                        {"largest share", "dominance", true},
                                        {"zero agreement", "zero_agreement", true},
                                        {"of all cells", "zero_agreement_all_cells", true},
                                        {"coalition", "coalition_median", false},
                                        {"r is final", "residual_is_final", true},
                                        {"o is final", "output_is_final", true},
                                        {"ffn is o", "ffn_is_output", true},
                                        {"p(final) in r", "final_probability_quartiles.1", false},
                                        {"decided here", "decided", true},
                                        {"vetoed", "vetoed", true},
                                        {"new one was near", "near", true}};

std::string layers_table_html(const ResultJson& layers) {
  PageTable table{"Layers", "", {{"layer"}}, {}};
  for (const AggregateColumn& column : kColumns) table.columns.push_back({column.name});
  for (const ResultJson& layer : layers) {
    std::vector<PageCell> row = {{fmt::format("{}", number_at(layer, "layer"))}};
    for (const AggregateColumn& column : kColumns) {
      const double value = number_at(layer, column.path);
      row.push_back({column.percent ? percent_text(value) : number_text(value)});
    }
    table.rows.push_back(std::move(row));
  }
  return table_html(table);
}

std::string decisions_table_html(const ResultJson& layers, const std::string& key, const std::string& label) {
  PageTable table{label, label, {{"layer"}}, {}};
  for (std::size_t d = 0; d < kDecisions; ++d) table.columns.push_back({to_string(static_cast<Decision>(d))});
  for (const ResultJson& layer : layers) {
    std::vector<PageCell> row = {{fmt::format("{}", number_at(layer, "layer"))}};
    for (std::size_t d = 0; d < kDecisions; ++d)
      row.push_back({share_cell(layer, key + "." + to_string(static_cast<Decision>(d)))});
    table.rows.push_back(std::move(row));
  }
  return table_html(table);
}

JsonCurve decision_curve(const std::string& key, Decision decision) {
  return {to_string(decision), key + "." + to_string(decision)};
}

std::string charts_of(const ResultJson& layers) {
  std::vector<TitledChart> charts = {
      layer_chart(layers, "Active cells", {"cells"},
                  {{"mean and quartiles", "active_mean", "active_quartiles.0", "active_quartiles.2"}}),
      layer_chart(
          layers, "Zero agreement", {"share of positions", true},
          {{"active cells", "zero_agreement", "zero_agreement_interval.0", "zero_agreement_interval.1"},
           {"all cells", "zero_agreement_all_cells"}}),
      layer_chart(layers, "The stream already has the answer", {"share of positions", true},
                  {{"r", "residual_is_final", "residual_is_final_interval.0", "residual_is_final_interval.1"},
                   {"ffn", "ffn_is_final"}}),
      layer_chart(layers, "Probability of the answer in r", {"p"},
                  {{"median and quartiles", "final_probability_quartiles.1", "final_probability_quartiles.0",
                    "final_probability_quartiles.2"}})};
  for (const auto& [title, key] : {std::pair("Who decides: the network", "ffn_decisions"),
                                   {"Who decides: attention", "attention_decisions"}})
    charts.push_back(
        layer_chart(layers, title, {"share of positions", true},
                    {decision_curve(key, Decision::kResidual), decision_curve(key, Decision::kAgreement),
                     decision_curve(key, Decision::kComposition), decision_curve(key, Decision::kAdded)}));
  std::erase_if(charts, [](const TitledChart& chart) { return chart.svg.empty(); });
  return charts.empty() ? "" : charts_html(charts);
}

std::string summary_of(const ResultJson& json) {
  return fmt::format(
      "{} positions of {} tokens of text. The layer from which on the answer stays: median {}, "
      "quartiles {} and {} (the number of layers where it only comes at the end).",
      count_text(json["tokens"]), count_text(json["text_tokens"]),
      fmt::format("{}", number_at(json, "decision_layer_quartiles.1")),
      fmt::format("{}", number_at(json, "decision_layer_quartiles.0")),
      fmt::format("{}", number_at(json, "decision_layer_quartiles.2")));
}

std::string last_changes_text(const LastLayerChanges& changes) {
  if (changes.changed == 0) return "";
  return fmt::format(
      " In the last layer {} changes by composition: {} to a related word, {} to a distant one.",
      count_text(changes.changed),
      percent_text(static_cast<double>(changes.related) / static_cast<double>(changes.changed)),
      percent_text(static_cast<double>(changes.changed - changes.related) /
                   static_cast<double>(changes.changed)));
}

ResultJson last_changes_json(const LastLayerChanges& changes) {
  ResultJson pairs = ResultJson::array();
  for (const LastLayerChanges::Pair& pair : changes.pairs)
    pairs.push_back({{"before", pair.before},
                     {"after", pair.after},
                     {"count", pair.count},
                     {"cosine", pair.cosine},
                     {"related", pair.related}});
  return {{"changed", changes.changed},
          {"related", changes.related},
          {"threshold", changes.threshold},
          {"pairs", pairs}};
}

std::string sparsity_text(const AggregateOutcome& outcome, std::size_t columns) {
  if (outcome.sparsity.empty()) return "";
  Table table({{"cells kept", Align::kRight},
               {"KL", Align::kRight},
               {"same top", Align::kRight},
               {"perplexity", Align::kRight}});
  for (const SparsityPoint& point : outcome.sparsity)
    table.add_row({percent_text(point.share), number_text(point.kl), percent_text(point.same_top),
                   "x " + number_text(point.perplexity_ratio)});
  return fmt::format("\nThe largest cells of each token alone, {} tokens:\n",
                     count_text(outcome.sparsity_tokens)) +
         table.text(columns);
}

ResultJson sparsity_json(const AggregateOutcome& outcome) {
  if (outcome.sparsity.empty()) return nullptr;
  ResultJson points = ResultJson::array();
  for (const SparsityPoint& point : outcome.sparsity)
    points.push_back({{"share", point.share},
                      {"kl", point.kl},
                      {"same_top", point.same_top},
                      {"perplexity_ratio", point.perplexity_ratio}});
  return {{"tokens", outcome.sparsity_tokens}, {"points", points}};
}

std::string sparsity_section(const ResultJson& aggregate) {
  if (!aggregate.contains("sparsity") || aggregate["sparsity"].is_null()) return "";
  PageTable table{"The largest cells of each token alone",
                  "",
                  {{"cells kept"}, {"KL, nats"}, {"same likeliest token"}, {"perplexity, times"}},
                  {}};
  BarChart chart;
  chart.frame = {"Same likeliest token with few cells", "Share of tokens by share of cells kept.", 520};
  chart.x_label = "same likeliest token, %";
  for (const ResultJson& point : aggregate["sparsity"]["points"]) {
    const std::string share = percent_text(number_at(point, "share"));
    table.rows.push_back({{share},
                          {number_text(number_at(point, "kl"))},
                          {percent_text(number_at(point, "same_top"))},
                          {number_text(number_at(point, "perplexity_ratio"))}});
    chart.rows.push_back({share + " of the cells", 100 * number_at(point, "same_top")});
  }
  return "<section>\n<h2>With few cells a token</h2>\n" +
         charts_html({{"Same likeliest token with few cells", bar_svg(chart)}}) + table_html(table) +
         fmt::format(
             "<p class=\"note\">Over {} tokens. In every layer each token keeps the cells with the largest "
             "contributions, all others are 0; what a layer keeps depends on what the layers in front of it "
             "have kept.</p>\n</section>\n",
             count_text(aggregate["sparsity"]["tokens"]));
}

}  // namespace

std::string aggregate_text(const AggregateOutcome& outcome, std::size_t columns) {
  std::string written;
  for (const std::filesystem::path& file : outcome.outputs)
    written += fmt::format("Written: {}\n", file.string());
  if (outcome.is_part)
    return fmt::format("{} positions of this shard are measured.\n", count_text(outcome.tokens)) + written;
  Table table({{"layer", Align::kRight},
               {"active", Align::kRight},
               {"90 % in", Align::kRight},
               {"zero agr.", Align::kRight},
               {"coalition", Align::kRight},
               {"r final", Align::kRight},
               {"p in r", Align::kRight},
               {"ffn is o", Align::kRight},
               {"residual", Align::kRight},
               {"compos.", Align::kRight},
               {"decided", Align::kRight}});
  for (const LayerAggregate& layer : outcome.layers)
    table.add_row({std::to_string(layer.layer), number_text(layer.active_mean),
                   number_text(layer.cells_of_90), percent_text(layer.zero_agreement.share),
                   number_text(layer.coalition), percent_text(layer.residual_is_final.share),
                   probability_text(layer.final_probability[1]), percent_text(layer.ffn_is_output.share),
                   percent_text(layer.ffn[static_cast<std::size_t>(Decision::kResidual)]),
                   percent_text(layer.ffn[static_cast<std::size_t>(Decision::kComposition)]),
                   percent_text(layer.decided)});
  const ResultJson facts = {{"tokens", outcome.tokens},
                            {"text_tokens", outcome.text_tokens},
                            {"decision_layer_quartiles", outcome.decision_layer}};
  return table.text(columns) + summary_of(facts) + last_changes_text(outcome.last_changes) + "\n" +
         sparsity_text(outcome, columns) + written;
}

ResultJson aggregate_json(const AggregateOutcome& outcome, const AggregateOptions& options,
                          const Model& model) {
  ResultJson layers = ResultJson::array();
  for (const LayerAggregate& layer : outcome.layers) layers.push_back(layer_json(layer));
  ResultJson outputs = ResultJson::array();
  for (const std::filesystem::path& file : outcome.outputs) outputs.push_back(file.string());
  return {{"emend", emend_version()},
          {"model", model_json(model)},
          {"tokens", outcome.tokens},
          {"text_tokens", outcome.text_tokens},
          {"corpus", outcome.corpus},
          {"corpus_fingerprint", outcome.corpus_fingerprint},
          {"lens", to_string(options.lens)},
          {"seed", options.seed},
          {"vocabulary", outcome.vocabulary},
          {"decision_layer_quartiles", outcome.decision_layer},
          {"layers", layers},
          {"last_changes", last_changes_json(outcome.last_changes)},
          {"sparsity", sparsity_json(outcome)},
          {"is_part", outcome.is_part},
          {"resumed_blocks", outcome.resumed_blocks},
          {"outputs", outputs},
          {"seconds", outcome.seconds},
          {"peak_memory_bytes", peak_memory_bytes()}};
}

std::string aggregate_sections(const ResultJson& aggregate) {
  const ResultJson& layers = aggregate["layers"];
  return "<section>\n<h2>From cells to the output</h2>\n" + charts_of(layers) + layers_table_html(layers) +
         "<p class=\"note\">Active cells have a positive score (in gated layers, the score of the gate). "
         "Zero agreement is the share of positions where no active cell's value has the same likeliest "
         "token as the output of the network. Coalition is the smallest number of cells whose sum has "
         "that token as its likeliest one, also when further cells are added; the figure is the median "
         "over positions. r is the residual stream before the network's output is added, o is the stream "
         "after it. Final is the model's likeliest next token.</p>\n</section>\n<section>\n<h2>Who "
         "decides</h2>\n" +
         decisions_table_html(layers, "ffn_decisions", "The feed-forward network") +
         decisions_table_html(layers, "attention_decisions", "Attention") + "</section>\n" +
         sparsity_section(aggregate);
}

std::string aggregate_page(const AggregateOutcome& outcome, const AggregateOptions& options,
                           const Model& model) {
  const ResultJson json = aggregate_json(outcome, options, model);
  Page page;
  page.title = "From cells to the answer";
  page.subtitle = model.path().filename().string();
  page.summary = summary_of(json);
  page.body = aggregate_sections(json) + "<section>\n<h2>How this was made</h2>\n" +
              settings_html({{"model", model.path().string()},
                             {"fingerprint of the model", model.fingerprint()},
                             {"text", outcome.corpus},
                             {"fingerprint of the text", outcome.corpus_fingerprint},
                             {"lens", to_string(options.lens)},
                             {"seed", std::to_string(options.seed)}}) +
              "</section>\n";
  return page_html(page);
}

}  // namespace emend
