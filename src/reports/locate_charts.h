// The charts of a report on traces, as SVG, each with the name of its file.
#pragma once

#include <string>
#include <vector>

#include "emend/locate.h"
#include "reports/page.h"

namespace emend {

// Block, MLP and attention maps of one fact, tokens as rows.
std::vector<TitledChart> fact_maps(const FactTrace& trace, const std::string& name);
// The same averaged, token roles as rows.
std::vector<TitledChart> role_maps(const TraceAverage& average);
// One chart a role: the three effects by layer with bands.
std::vector<TitledChart> role_curves(const TraceAverage& average);
// Severed paths and knockout, where they were run.
std::vector<TitledChart> path_curves(const TraceAverage& average);
// The ranking by layer, and the trial's scores.
std::vector<TitledChart> decision_charts(const std::vector<LayerScore>& ranking,
                                         const std::vector<TrialScore>& trial);

}  // namespace emend
