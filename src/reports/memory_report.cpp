#include "reports/memory_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/stage_clock.h"
#include "base/strings.h"
#include "emend/version.h"
#include "pipeline/result_json.h"
#include "pipeline/text_remarks.h"
#include "report/numbers.h"
#include "report/table.h"
#include "reports/values_words.h"

namespace emend {
namespace {

std::string bytes_text(std::int64_t bytes) {
  return human_bytes(static_cast<std::uint64_t>(bytes));
}

std::string layers_table(const std::vector<LayerScan>& layers, std::size_t columns) {
  std::vector<TableColumn> header = {
      {"layer", Align::kRight}, {"cells", Align::kRight}, {"active", Align::kRight}, {"dead", Align::kRight}};
  for (const double share : quantile_shares()) header.push_back({"q" + quantile_name(share), Align::kRight});
  Table table(header);
  for (const LayerScan& layer : layers) {
    std::vector<std::string> row = {std::to_string(layer.layer), std::to_string(layer.cells),
                                    percent_text(layer.active_share), std::to_string(layer.dead)};
    for (const double value : layer.quantiles) row.push_back(number_text(value));
    table.add_row(row);
  }
  return table.text(columns) +
         "Layers count from 0. active: share of coefficients with a positive score. q0.9: nine in ten "
         "coefficients of the\nlayer are lower (from histograms with two bins an octave).\n";
}

ResultJson layers_json(const std::vector<LayerScan>& layers) {
  ResultJson list = ResultJson::array();
  for (const LayerScan& layer : layers) {
    ResultJson quantiles;
    for (std::size_t i = 0; i < layer.quantiles.size(); ++i)
      quantiles[quantile_name(quantile_shares()[i])] = layer.quantiles[i];
    list.push_back({{"layer", layer.layer},
                    {"cells", layer.cells},
                    {"active_share", layer.active_share},
                    {"dead", layer.dead},
                    {"quantiles", quantiles}});
  }
  return list;
}

ResultJson plan_json(const ScanPlan& plan) {
  return {{"cells", plan.cells},
          {"tokens", plan.tokens},
          {"blocks", plan.blocks},
          {"rows", plan.rows},
          {"table_bytes", plan.table_bytes},
          {"other_bytes", plan.other_bytes},
          {"seconds", plan.seconds},
          {"source", plan.source}};
}

std::string examples_table(const std::string& title, const std::vector<MemoryExample>& all, std::size_t most,
                           std::size_t columns) {
  if (all.empty()) return "";
  const bool gated = all.front().gate.has_value();
  constexpr std::size_t kLeastText = 24;
  std::vector<TableColumn> header = {{"coefficient", Align::kRight}};
  if (gated) {
    header.push_back({"gate", Align::kRight});
    header.push_back({"up", Align::kRight});
  }
  for (const char* name : {"document", "position"}) header.push_back({name, Align::kRight});
  header.push_back({"token"});
  header.push_back({"next"});
  header.push_back({"text up to the token", Align::kLeft, kLeastText});
  Table table(header);
  for (std::size_t i = 0; i < std::min(most, all.size()); ++i) {
    const MemoryExample& example = all[i];
    std::vector<std::string> row = {number_text(static_cast<double>(example.coefficient))};
    if (gated) {
      row.push_back(number_text(static_cast<double>(*example.gate)));
      row.push_back(number_text(static_cast<double>(*example.up)));
    }
    row.push_back(std::to_string(example.document));
    row.push_back(std::to_string(example.position));
    row.push_back(quote(example.token));
    row.push_back(example.next_id ? quote(example.next) : "-");
    row.push_back(ending_text(example.text));
    table.add_row(row);
  }
  return "\n" + title + "\n" + table.text(columns);
}

ResultJson example_json(const MemoryExample& example) {
  ResultJson json = {{"coefficient", example.coefficient},
                     {"document", example.document},
                     {"window", example.window},
                     {"position", example.position},
                     {"text", example.text},
                     {"token", example.token},
                     {"next", example.next_id ? ResultJson(example.next) : ResultJson(nullptr)},
                     {"token_id", example.token_id},
                     {"next_id", or_null(example.next_id)},
                     {"after", example.after},
                     {"source", example.source},
                     {"share_below", example.share}};
  if (example.gate) json["gate"] = *example.gate;
  if (example.up) json["up"] = *example.up;
  return json;
}

ResultJson examples_json(const std::vector<MemoryExample>& examples) {
  ResultJson list = ResultJson::array();
  for (const MemoryExample& example : examples) list.push_back(example_json(example));
  return list;
}

ResultJson value_tokens_json(const std::vector<ValueToken>& tokens) {
  ResultJson list = ResultJson::array();
  for (const ValueToken& token : tokens)
    list.push_back({{"id", token.id}, {"text", token.text}, {"logit", token.logit}});
  return list;
}

}  // namespace

std::string quantile_name(double share) {
  return fmt::format("{}", share);
}

std::string scan_plan_text(const ScanPlan& plan, const ScanOptions& options) {
  return fmt::format(
      "Plan: {} cells over {} tokens ({}) in {} block{}, {} examples at each end; tables {} and "
      "counts {} of memory; about {}.",
      count_text(plan.cells), count_text(plan.tokens), plan.source, count_text(plan.blocks),
      plan.blocks == 1 ? "" : "s", options.top, bytes_text(plan.table_bytes), bytes_text(plan.other_bytes),
      human_seconds(plan.seconds));
}

ResultJson scan_plan_json(const ScanPlan& plan, const Model& model) {
  return {{"emend", emend_version()}, {"model", model_json(model)}, {"plan", plan_json(plan)}};
}

std::vector<PlanRemark> remarks_on(const ScanPlan& plan, const ScanOptions& options) {
  return text_remarks(
      {plan.repaired, plan.repeated, plan.binary_files, options.tokens, plan.tokens, plan.blocks});
}

std::string scan_text(const ScanOutcome& outcome, const std::filesystem::path& folder, std::size_t columns) {
  std::string text;
  if (outcome.resumed_blocks > 0) text += fmt::format("Taken up after {} blocks.\n", outcome.resumed_blocks);
  if (outcome.is_part)
    return text + fmt::format("Part written to {}; once all are there, join the parts of the scan.\n",
                              outcome.outputs.back().string());
  return layers_table(outcome.layers, columns) + text +
         fmt::format("{} tokens were counted. Index: {}\n", count_text(outcome.tokens), folder.string());
}

ResultJson scan_json(const ScanOutcome& outcome, const Model* model) {
  ResultJson json;
  json["emend"] = emend_version();
  if (model != nullptr) {
    json["model"] = model_json(*model);
    json["plan"] = plan_json(outcome.plan);
    json["seconds"] = outcome.seconds;
  }
  json["tokens"] = outcome.tokens;
  json["resumed_blocks"] = outcome.resumed_blocks;
  json["layers"] = layers_json(outcome.layers);
  json["peak_memory_bytes"] = peak_memory_bytes();
  json["outputs"] = ResultJson::array();
  for (const std::filesystem::path& path : outcome.outputs) json["outputs"].push_back(path.string());
  return json;
}

std::string cell_summary(const MemoryRecord& record, const MemoryIndexHead& head) {
  std::string text = fmt::format("{} of {}, layer {} of {} (both counted from 0). ", to_string(record.id),
                                 head.model, record.id.layer, head.model_layers);
  if (record.dead) text += "It is dead on this text. ";
  text += fmt::format(
      "{} of {} tokens have a positive {}; its coefficient lies between {} and {}, its mean is "
      "{}.",
      percent_text(record.active_share), count_text(record.tokens), record.quadrants ? "gate" : "score",
      number_text(record.least), number_text(record.most), number_text(record.mean));
  return text;
}

namespace {

// The first tokens of a value's ends, and what the cell was called.
std::string value_and_labels_text(const MemoryRecord& record) {
  constexpr std::size_t kShown = 10;
  std::string text;
  if (record.value) {
    for (const auto& [what, tokens] :
         {std::pair("+v promotes", &record.value->top), std::pair("-v promotes", &record.value->bottom)}) {
      std::vector<std::string> words;
      for (std::size_t k = 0; k < std::min(kShown, tokens->size()); ++k)
        words.push_back(quote((*tokens)[k].text));
      text += fmt::format("{} (lens {}): {}\n", what, record.value->lens, join(words, " "));
    }
  } else {
    text += "Its value was not read yet: reading the values into the index adds it.\n";
  }
  if (!record.labels.empty()) text += fmt::format("Labels: {}\n", join(record.labels, "; "));
  return text;
}

}  // namespace

std::string cell_text(const MemoryRecord& record, const MemoryIndexHead& head, std::size_t examples,
                      std::size_t columns) {
  std::string text = cell_summary(record, head) + "\n";
  for (std::size_t i = 0; i < record.quantiles.size(); ++i)
    text += fmt::format("{}q{} {}", i == 0 ? "" : "  ", quantile_name(quantile_shares()[i]),
                        number_text(record.quantiles[i]));
  text += "\nQuantiles are approximate: they are read from a histogram with two bins an octave.\n";
  if (record.quadrants) {
    const Quadrants& q = *record.quadrants;
    text += fmt::format("gate and up positive: {}  gate alone: {}  up alone: {}  neither: {}\n",
                        count_text(q.both), count_text(q.gate_only), count_text(q.up_only),
                        count_text(q.neither));
  }
  text += value_and_labels_text(record);
  return text + examples_table("Largest coefficients", record.high, examples, columns) +
         examples_table("Least coefficients", record.low, examples, columns) +
         examples_table("From between, one an octave", record.middle, examples, columns) +
         examples_table("Drawn at random", record.random, examples, columns);
}

ResultJson cell_json(const MemoryRecord& record, const MemoryIndexHead& head) {
  ResultJson quantiles;
  for (std::size_t i = 0; i < record.quantiles.size(); ++i)
    quantiles[quantile_name(quantile_shares()[i])] = record.quantiles[i];
  ResultJson json = {{"emend", emend_version()},
                     {"cell", to_string(record.id)},
                     {"layer", record.id.layer},
                     {"index", record.id.index},
                     {"model", head.model},
                     {"tokens", record.tokens},
                     {"dead", record.dead},
                     {"active_share", record.active_share},
                     {"mean", record.mean},
                     {"variance", record.variance},
                     {"least", record.least},
                     {"most", record.most},
                     {"value_norm", record.value_norm},
                     {"quantiles", quantiles},
                     {"triggers", {{"high", examples_json(record.high)}, {"low", examples_json(record.low)}}},
                     {"middle", examples_json(record.middle)},
                     {"random", examples_json(record.random)},
                     {"histogram", record.histogram}};
  if (record.quadrants)
    json["quadrants"] = {{"both", record.quadrants->both},
                         {"gate_only", record.quadrants->gate_only},
                         {"up_only", record.quadrants->up_only},
                         {"neither", record.quadrants->neither}};
  const CellValue value = record.value.value_or(CellValue{});
  json["value"] = {{"top", value_tokens_json(value.top)}, {"bottom", value_tokens_json(value.bottom)}};
  if (record.value) json["value"]["lens"] = value.lens;
  json["labels"] = record.labels;
  return json;
}

}  // namespace emend
