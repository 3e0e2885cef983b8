// What collecting statistics found (emend/statistics_run.h), for people and as JSON.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "emend/model.h"
#include "emend/statistics_run.h"

namespace emend {

// One layer as it is shown.
struct LayerSummary {
  int layer = 0;
  std::int64_t tokens = 0;
  double trace = 0;
  StatisticsQuality quality;
};

// From the file's metadata; what an older file does not say is computed from its C.
LayerSummary summarize_layer_file(const std::filesystem::path& file, int layer);

// Every layer file among `files` (others are passed over).
std::vector<LayerSummary> summarize_layer_files(const std::vector<std::filesystem::path>& files,
                                                Progress& progress);

// A table of layers.
std::string layers_text(const std::vector<LayerSummary>& layers, std::size_t columns);
ResultJson layers_json(const std::vector<LayerSummary>& layers);
ResultJson curve_json(const std::vector<CurvePoint>& curve);

// The plan in a few lines: passes, memory, tokens, time.
std::string plan_text(const StatisticsPlan& plan);
// {"emend", "model", "plan"}.
ResultJson statistics_plan_json(const StatisticsPlan& plan, const Model& model);

// A whole run; `seconds` of its stages.
ResultJson statistics_json(const StatisticsReport& report, const StatisticsPlan& plan, const Model& model,
                           const std::vector<LayerSummary>& layers,
                           const std::map<std::string, double>& seconds);

}  // namespace emend
