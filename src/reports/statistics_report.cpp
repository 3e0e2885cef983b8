#include "reports/statistics_report.h"

#include <optional>

#include "analysis/statistics_file.h"
#include "analysis/statistics_quality.h"
#include "base/peak_memory.h"
#include "base/strings.h"
#include "emend/version.h"
#include "pipeline/result_json.h"
#include "report/numbers.h"
#include "report/table.h"

namespace emend {

namespace fs = std::filesystem;

namespace {

ResultJson or_null(const std::optional<double>& number) {
  return number ? ResultJson(*number) : ResultJson(nullptr);
}

std::string or_text(const std::optional<double>& number, const std::string& nothing) {
  return number ? number_text(*number) : nothing;
}

ResultJson plan_json(const StatisticsPlan& plan) {
  return {{"passes", plan.passes},         {"tokens", plan.tokens},
          {"blocks", plan.blocks},         {"sum_bytes", plan.sum_bytes},
          {"file_bytes", plan.file_bytes}, {"peak_bytes", plan.peak_bytes},
          {"seconds", plan.seconds},       {"matmul_flops", plan.matmul_flops}};
}

}  // namespace

LayerSummary summarize_layer_file(const fs::path& file, int layer) {
  const auto opened = open_safetensors(file);
  LayerStatistics statistics = read_layer_statistics(*opened, layer);
  if (!statistics.quality.effective_rank) {
    const std::optional<double> estimate = statistics.quality.error_estimate;
    statistics.quality = quality_of(statistics.C);
    statistics.quality.error_estimate = estimate;
  }
  return {layer, statistics.tokens, statistics.C.trace().item<double>(), statistics.quality};
}

std::vector<LayerSummary> summarize_layer_files(const std::vector<fs::path>& files, Progress& progress) {
  std::vector<LayerSummary> layers;
  for (const fs::path& file : files) {
    progress.poll();
    const std::string stem = file.stem().string();
    if (stem.starts_with("layer_")) layers.push_back(summarize_layer_file(file, std::stoi(stem.substr(6))));
  }
  return layers;
}

std::string layers_text(const std::vector<LayerSummary>& layers, std::size_t columns) {
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
  return table.text(columns) + "Layers count from 0.\n";
}

ResultJson layers_json(const std::vector<LayerSummary>& layers) {
  ResultJson list = ResultJson::array();
  for (const LayerSummary& layer : layers)
    list.push_back({{"layer", layer.layer},
                    {"tokens", layer.tokens},
                    {"trace", layer.trace},
                    {"condition", or_null(layer.quality.condition)},
                    {"effective_rank", or_null(layer.quality.effective_rank)},
                    {"error_estimate", or_null(layer.quality.error_estimate)}});
  return list;
}

ResultJson curve_json(const std::vector<CurvePoint>& curve) {
  ResultJson list = ResultJson::array();
  for (const CurvePoint& point : curve)
    list.push_back(
        {{"tokens", point.tokens}, {"layer", point.layer}, {"error_estimate", point.error_estimate}});
  return list;
}

std::string plan_text(const StatisticsPlan& plan) {
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
  if (plan.passes.size() > 1) text += " The sums of all layers do not fit into --memory at once.";
  return text;
}

ResultJson statistics_plan_json(const StatisticsPlan& plan, const Model& model) {
  return {{"emend", emend_version()}, {"model", model_json(model)}, {"plan", plan_json(plan)}};
}

ResultJson statistics_json(const StatisticsReport& report, const StatisticsPlan& plan, const Model& model,
                           const std::vector<LayerSummary>& layers,
                           const std::map<std::string, double>& seconds) {
  ResultJson outputs = ResultJson::array();
  for (const fs::path& path : report.outputs) outputs.push_back(path.string());
  return {{"emend", emend_version()},
          {"model", model_json(model)},
          {"source", report.source},
          {"fingerprint", report.fingerprint},
          {"layers", layers_json(layers)},
          {"curve", curve_json(report.curve)},
          {"plan", plan_json(plan)},
          {"seconds", seconds},
          {"peak_memory_bytes", peak_memory_bytes()},
          {"outputs", outputs}};
}

}  // namespace emend
