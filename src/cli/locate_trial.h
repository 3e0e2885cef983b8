// `emend locate --trial`: real edits of some facts at candidate layers.
#pragma once

#include <vector>

#include "cli/console.h"
#include "cli/locate_options.h"
#include "emend/dataset.h"
#include "emend/locate.h"

namespace emend {

// The edits that the trial makes, read before the model is loaded. From --trial-data, else the facts file itself: its records must name
// targets (as edits do) or be known_1000.json's. Throws Error(kUsage) when they are neither.
DatasetFile read_trial_data(const LocateOptions& options);

// The layers to try: --trial-layers, else those worth it by the trace's ranking.
std::vector<int> trial_layers(const LocateOptions& options, const std::vector<LayerScore>& ranking, const ModelConfig& config);

// Which of the facts that were traced and are correct (with --trial-data: of all that the model knows).
struct TrialPart {
  std::string name;  // folder of the results in --out
  std::int64_t skip = 0, count = 0;
};

// Throws Error(kConfig) when none is left.
std::vector<EvalRecord> choose_records(const LocateOptions& options, const DatasetFile& data, const TraceResult& traces, const TrialPart& part);

// Edits `records`, whose results go to the folder `name`: scores, best first.
std::vector<TrialScore> run_trial(Model& model, const LocateOptions& options, DatasetFile data, std::vector<EvalRecord> records,
                                  const std::vector<int>& layers, const std::string& name, Console& console);

// Facts that the trial did not use: does the chosen layer's score lie within the 95 % interval of the best one's?
std::string check_text(const std::vector<TrialScore>& check, int chosen);
bool holds_on_other_facts(const std::vector<TrialScore>& check, int chosen);

std::string trial_text(const std::vector<TrialScore>& trial, std::size_t columns);

}  // namespace emend
