#include "reports/statistics_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "base/stage_clock.h"
#include "base/strings.h"
#include "emend/version.h"
#include "pipeline/result_json.h"
#include "report/drawing.h"
#include "report/numbers.h"
#include "report/table.h"
#include "reports/statistics_charts.h"

namespace emend {
namespace {

std::string or_text(const std::optional<double>& number, const std::string& nothing) {
  return number ? number_text(*number) : nothing;
}

// The figures of layers that few directions rule, without these.
std::string leading_text(const std::vector<LayerSummary>& layers) {
  std::string text;
  for (const LayerSummary& layer : layers) {
    if (!layer.leading) continue;
    const LeadingKeys& leading = *layer.leading;
    const bool one = leading.directions == 1;
    text += fmt::format(
        "Layer {}: {} of keys {} {} % of the trace (often the keys of a few tokens, far larger than all "
        "others). Without {}: trace {}, "
        "condition {}, effective rank {}.\n",
        layer.layer, one ? "one direction" : fmt::format("{} directions", leading.directions),
        one ? "carries" : "carry", number_text(100 * leading.share, 3), one ? "it" : "them",
        number_text(leading.trace, 5), or_text(leading.condition, "not known"),
        number_text(leading.effective_rank));
  }
  return text;
}

// Why an error is not known; "" if all are.
std::string unknown_error_text(const std::vector<LayerSummary>& layers) {
  const bool all_known = std::none_of(layers.begin(), layers.end(), [](const LayerSummary& layer) {
    return !layer.diagonal && !layer.quality.error_estimate;
  });
  if (all_known) return "";
  return "The error of C^-1 k compares two halves of the keys: it is known from 4 times d_ff keys on, and "
         "not "
         "of imported files, which have no halves.\n";
}

// What the figures are of, where only diagonals are known; "" otherwise.
std::string diagonal_text(const std::vector<LayerSummary>& layers) {
  const auto known =
      std::count_if(layers.begin(), layers.end(), [](const LayerSummary& layer) { return layer.diagonal; });
  if (known == 0) return "";
  std::vector<std::string> numbers;
  for (const LayerSummary& layer : layers)
    if (layer.diagonal) numbers.push_back(std::to_string(layer.layer));
  return fmt::format(
      "Only the diagonal of C is known{}: condition and effective rank are of diag(C), and edits "
      "are solved with it.\n",
      static_cast<std::size_t>(known) == layers.size() ? "" : " of the layers " + join(numbers));
}

ResultJson leading_json(const std::optional<LeadingKeys>& leading) {
  if (!leading) return nullptr;
  return {{"directions", leading->directions},
          {"share", leading->share},
          {"trace", leading->trace},
          {"condition", or_null(leading->condition)},
          {"effective_rank", leading->effective_rank}};
}

std::string layers_table(const std::vector<LayerSummary>& layers, std::size_t columns) {
  Table table({{"layer", Align::kRight},
               {"tokens", Align::kRight},
               {"trace", Align::kRight},
               {"condition", Align::kRight},
               {"effective rank", Align::kRight},
               {"error of C^-1 k", Align::kRight}});
  for (const LayerSummary& layer : layers)
    table.add_row({std::to_string(layer.layer), std::to_string(layer.tokens), number_text(layer.trace, 5),
                   or_text(layer.quality.condition, "singular"), or_text(layer.quality.effective_rank, "-"),
                   or_text(layer.quality.error_estimate, "not known")});
  return table.text(columns) + "Layers count from 0.\n" + unknown_error_text(layers) + diagonal_text(layers) +
         leading_text(layers);
}

ResultJson layers_json(const std::vector<LayerSummary>& layers) {
  ResultJson list = ResultJson::array();
  for (const LayerSummary& layer : layers)
    list.push_back({{"layer", layer.layer},
                    {"tokens", layer.tokens},
                    {"trace", layer.trace},
                    {"condition", or_null(layer.quality.condition)},
                    {"effective_rank", or_null(layer.quality.effective_rank)},
                    {"error_estimate", or_null(layer.quality.error_estimate)},
                    {"diagonal", layer.diagonal},
                    {"source", layer.origin.source},
                    {"fingerprint", layer.origin.fingerprint},
                    {"leading_keys", leading_json(layer.leading)}});
  return list;
}

ResultJson curve_json(const std::vector<CurvePoint>& curve) {
  ResultJson list = ResultJson::array();
  for (const CurvePoint& point : curve)
    list.push_back(
        {{"tokens", point.tokens}, {"layer", point.layer}, {"error_estimate", point.error_estimate}});
  return list;
}

ResultJson plan_json(const StatisticsPlan& plan) {
  return {{"passes", plan.passes},         {"tokens", plan.tokens},
          {"blocks", plan.blocks},         {"sum_bytes", plan.sum_bytes},
          {"file_bytes", plan.file_bytes}, {"peak_bytes", plan.peak_bytes},
          {"seconds", plan.seconds},       {"matmul_flops", plan.matmul_flops}};
}

std::string spectra_text(const std::map<int, std::vector<double>>& spectra) {
  constexpr std::size_t kColumns = 48;
  double low = 0, high = 0;
  for (const auto& [layer, logs] : spectra) {
    low = std::min(low, logs.back());
    high = std::max(high, logs.front());
  }
  std::string text = "\nEigenvalues of C over their mean, largest first (logarithmic):\n";
  for (const auto& [layer, logs] : spectra)
    text += "layer " + std::to_string(layer) + "  " + sparkline(logs, kColumns, low - 0.01, high + 0.01) +
            "  " + number_text(std::pow(10, logs.front())) + " to " + number_text(std::pow(10, logs.back())) +
            "\n";
  return text;
}

}  // namespace

std::string statistics_plan_text(const StatisticsPlan& plan) {
  std::size_t layers = 0;
  for (const auto& pass : plan.passes) layers += pass.size();
  const auto bytes = [](std::int64_t n) { return human_bytes(static_cast<std::uint64_t>(n)); };
  std::string text = "Plan: " + std::to_string(layers) + (layers == 1 ? " layer" : " layers") + " in " +
                     std::to_string(plan.passes.size()) + (plan.passes.size() == 1 ? " pass" : " passes") +
                     " over " + count_text(plan.tokens) + " tokens (" + plan.source + ") in " +
                     count_text(plan.blocks) + (plan.blocks == 1 ? " block" : " blocks") + "; sums " +
                     bytes(plan.sum_bytes) + ", files " + bytes(plan.file_bytes) + ", about " +
                     bytes(plan.peak_bytes) + " of memory and " + human_seconds(plan.seconds) + " at " +
                     number_text(plan.matmul_flops / 1e9) + " GFLOP/s.";
  if (plan.passes.size() > 1) text += " The sums of all layers do not fit into the option memory at once.";
  return text;
}

std::string collected_text(const StatisticsOutcome& outcome, std::size_t columns) {
  const StatisticsReport& report = outcome.report;
  std::string text = outcome.layers.empty() ? "" : layers_table(outcome.layers, columns);
  text += "Source: " + report.source + "\n";
  if (report.resumed_blocks > 0)
    text += "Taken up after " + std::to_string(report.resumed_blocks) + " blocks.\n";
  if (outcome.has_until)
    text += report.reached_until ? "The error asked for was reached.\n"
                                 : "The text ended before the error asked for was reached.\n";
  if (!outcome.layers.empty()) return text + "Written to " + outcome.folder.string() + "\n";
  return text + "Sums written to " + report.outputs.front().string() + "; merging makes the layers of them\n";
}

ResultJson collected_json(const StatisticsOutcome& outcome, const Model& model) {
  const StatisticsReport& report = outcome.report;
  ResultJson json = {{"emend", emend_version()}, {"model", model_json(model)}};
  if (!outcome.planned_only) {
    json["source"] = report.source;
    json["fingerprint"] = report.fingerprint;
    json["layers"] = layers_json(outcome.layers);
    json["curve"] = curve_json(report.curve);
  }
  json["plan"] = plan_json(outcome.plan);
  if (!outcome.planned_only) {
    json["seconds"] = outcome.seconds;
    json["peak_memory_bytes"] = peak_memory_bytes();
    json["outputs"] = paths_json(report.outputs);
  }
  json["warnings"] = json["notes"] = ResultJson::array();
  for (const PlanRemark& remark : outcome.remarks)
    json[remark.kind == PlanRemark::Kind::kWarning ? "warnings" : "notes"].push_back(remark.text);
  return json;
}

std::string exported_statistics_text(const std::vector<int>& layers, const std::filesystem::path& file) {
  return fmt::format(
      "Importance matrix of {} down projection{}: {}\n"
      "It has no entries for other weights: llama-quantize rounds those without it, and refuses the "
      "types that need entries for all.\n",
      layers.size(), layers.size() == 1 ? "" : "s", file.string());
}

ResultJson exported_statistics_json(const std::vector<int>& layers, const std::filesystem::path& file) {
  return {{"emend", emend_version()}, {"layers", layers}, {"outputs", ResultJson::array({file.string()})}};
}

namespace {

std::string kind_of(const StoredFactor& factor) {
  if (factor.is_spectrum) return "eigenvectors";
  if (factor.threshold > 0) return "projector onto eigenvalues below " + number_text(factor.threshold);
  return "factor of C + " + number_text(factor.relative_ridge) + " of its mean diagonal";
}

std::string factors_text(const std::vector<StoredFactor>& factors) {
  if (factors.empty()) return "";
  std::string text = "Kept beside the layers, to be computed once:\n";
  for (const StoredFactor& factor : factors)
    text += "  layer " + std::to_string(factor.layer) + ": " + kind_of(factor) + " (" +
            human_bytes(factor.bytes) + ", " + factor.file.filename().string() + ")\n";
  return text;
}

ResultJson factors_json(const std::vector<StoredFactor>& factors) {
  ResultJson rows = ResultJson::array();
  for (const StoredFactor& factor : factors) {
    const bool projector = factor.threshold > 0;
    rows.push_back({{"layer", factor.layer},
                    {"kind", factor.is_spectrum ? "spectrum"
                             : projector        ? "projector"
                                                : "factor"},
                    {"relative_ridge", factor.is_spectrum || projector ? ResultJson(nullptr)
                                                                       : ResultJson(factor.relative_ridge)},
                    {"threshold", projector ? ResultJson(factor.threshold) : ResultJson(nullptr)},
                    {"file", factor.file.string()},
                    {"bytes", factor.bytes}});
  }
  return rows;
}

}  // namespace

std::string statistics_text(const StatisticsSummary& summary, std::size_t columns) {
  const std::string text = layers_table(summary.layers, columns) + "Source: " + summary.source;
  if (!summary.written.empty()) return text + "\nWritten to " + summary.written.string() + "\n";
  return text + (summary.settings.empty() ? "" : " (" + summary.settings + ")") + "\n" +
         factors_text(summary.factors) +
         (summary.log_spectra.empty() ? "" : spectra_text(summary.log_spectra));
}

ResultJson statistics_json(const StatisticsSummary& summary, const Model* model) {
  ResultJson json = {{"emend", emend_version()}};
  if (model != nullptr) json["model"] = model_json(*model);
  json["source"] = summary.source;
  json["settings"] = summary.settings;
  if (!summary.fingerprint.empty()) json["fingerprint"] = summary.fingerprint;  // of what was only read: none
  json["layers"] = layers_json(summary.layers);
  json["factors"] = factors_json(summary.factors);
  for (const auto& [layer, logs] : summary.log_spectra) json["log10_spectrum"][std::to_string(layer)] = logs;
  if (!summary.written.empty()) json["outputs"] = paths_json({summary.written});
  return json;
}

std::string import_remark(const StatisticsSummary& summary) {
  const bool imatrix = !summary.layers.empty() && summary.layers.front().diagonal;
  if (!imatrix)
    return "Imported sums hold position-0 keys, and no text is held back: drift needs drift_text in the edit "
           "file.";
  const bool left_out = summary.settings.find("left out") != std::string::npos;
  return std::string(left_out
                         ? ""
                         : "The sums hold the first position of every chunk, which rules some layers and "
                           "cannot be taken out again. ") +
         "No text is held back: drift needs drift_text in the edit file.";
}

std::string spectra_svg(const StatisticsSummary& summary) {
  return standalone_svg(spectra_chart(summary.log_spectra).svg);
}

}  // namespace emend
