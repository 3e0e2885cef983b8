// What the stats commands say about a folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/console.h"
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
std::vector<LayerSummary> summarize_layer_files(const std::vector<std::filesystem::path>& files);

void print_layers(const std::vector<LayerSummary>& layers, std::size_t columns);
ResultJson layers_json(const std::vector<LayerSummary>& layers);
ResultJson curve_json(const std::vector<CurvePoint>& curve);

// The plan in a few lines: passes, memory, tokens, time.
std::string plan_text(const StatisticsPlan& plan);
ResultJson plan_json(const StatisticsPlan& plan);

// "4G", "500M", "1.5GiB", "1000000": bytes; K, M, G, T count in thousands, with i in 1024s. Error(kUsage)
// naming the option.
std::int64_t parse_bytes(const std::string& option, const std::string& text);

}  // namespace emend
