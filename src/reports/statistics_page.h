// The page of statistics: how good the second moments of each layer are, and what they were made from.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "emend/statistics_job.h"

namespace emend {

// All that the page shows.
struct StatisticsPage {
  std::string name;  // of the model, or of the folder if no model is known
  std::vector<LayerSummary> layers;
  std::vector<CurvePoint> curve;                              // of a collection; may be empty
  std::map<int, std::vector<double>> log_spectra;             // as in StatisticsSummary; may be empty
  std::string remark;                                         // a sentence for the summary; may be empty
  std::vector<std::pair<std::string, std::string>> settings;  // how they were made
};

// What was collected into `folder`.
StatisticsPage collected_page(const StatisticsOutcome& outcome, const StatisticsOptions& options,
                              const Model& model, const std::filesystem::path& folder);
// What a folder holds.
StatisticsPage stored_page(const StatisticsSummary& summary, const std::filesystem::path& folder);

// A whole document (reports/page.h).
std::string statistics_html(const StatisticsPage& content);

}  // namespace emend
