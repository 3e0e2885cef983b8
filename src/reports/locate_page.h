// Traces as pictures.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "emend/locate.h"

namespace emend {

// All that a report shows.
struct LocateReport {
  std::string model;  // name of the file or folder
  const TraceResult* result = nullptr;
  const TraceAverage* average = nullptr;
  const std::vector<LayerScore>* ranking = nullptr;
  const LayerDecision* decision = nullptr;                    // null: none was made
  std::string decision_text;                                  // in a sentence or two
  std::vector<std::pair<std::string, std::string>> settings;  // how it was made
};

// The 95 % interval of a score of edits: "± 0.02". "± ?" where none is known: of one fact, and of facts that
// all score the same, which say nothing of how others would.
std::string interval_text(const TrialScore& score);

// One page that needs nothing but itself.
std::string locate_page(const LocateReport& report);

// Writes every picture of the report as an SVG file of its own into `folder`; returns the paths.
std::vector<std::filesystem::path> write_pictures(const LocateReport& report,
                                                  const std::filesystem::path& folder);

}  // namespace emend
