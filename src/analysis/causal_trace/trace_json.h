// Traces, averages and decisions as JSON: what `emend locate --json` writes, and what a run keeps for
// resuming.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "emend/locate.h"

namespace emend {

nlohmann::ordered_json trace_json(const FactTrace& trace);
// The inverse. Throws Error(kFormat) beginning with `source` when something is missing or of a wrong type.
FactTrace trace_from_json(const nlohmann::json& json, const std::string& source);

nlohmann::ordered_json average_json(const TraceAverage& average);
nlohmann::ordered_json ranking_json(const std::vector<LayerScore>& ranking);
nlohmann::ordered_json trial_json(const std::vector<TrialScore>& trial);
nlohmann::ordered_json decision_json(const LayerDecision& decision);
LayerDecision decision_from_json(const nlohmann::json& json, const std::string& source);

// Where the decision is kept in a statistics folder.
std::filesystem::path decision_file(const std::filesystem::path& folder);

}  // namespace emend
