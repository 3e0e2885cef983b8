// What the runs over statistics found (emend/statistics_job.h): on a terminal, as JSON, as a picture.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "emend/statistics_job.h"

namespace emend {

// The plan in a few lines: passes, memory, tokens, time.
std::string statistics_plan_text(const StatisticsPlan& plan);

// What was collected, or planned.
std::string collected_text(const StatisticsOutcome& outcome, std::size_t columns);
ResultJson collected_json(const StatisticsOutcome& outcome, const Model& model);

// The importance matrix that was made of these layers' diagonals.
std::string exported_statistics_text(const std::vector<int>& layers, const std::filesystem::path& file);
ResultJson exported_statistics_json(const std::vector<int>& layers, const std::filesystem::path& file);

// What a folder holds: layers, source and spectra; or what was written into it. `model`: of imported
// statistics; null for others.
std::string statistics_text(const StatisticsSummary& summary, std::size_t columns);
ResultJson statistics_json(const StatisticsSummary& summary, const Model* model);
// How imported statistics differ from those that emend collects.
std::string import_remark(const StatisticsSummary& summary);
// The spectra of up to five layers as a drawing with its own style.
std::string spectra_svg(const StatisticsSummary& summary);

}  // namespace emend
