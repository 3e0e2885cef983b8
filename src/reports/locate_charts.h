// The charts of a report on traces, as SVG.
#pragma once

#include <string>
#include <vector>

#include "emend/locate.h"

namespace emend {

struct LocateChart {
  std::string name;  // of a file: "fact-3-mlp"
  std::string title;
  std::string svg;
};

// Block, MLP and attention maps of one fact, tokens as rows.
std::vector<LocateChart> fact_maps(const FactTrace& trace, const std::string& name);
// The same averaged, token roles as rows.
std::vector<LocateChart> role_maps(const TraceAverage& average);
// One chart a role: the three effects by layer with bands.
std::vector<LocateChart> role_curves(const TraceAverage& average);
// Severed paths and knockout, where they were run.
std::vector<LocateChart> path_curves(const TraceAverage& average);
// The ranking by layer, and the trial's scores.
std::vector<LocateChart> decision_charts(const std::vector<LayerScore>& ranking,
                                         const std::vector<TrialScore>& trial);

}  // namespace emend
