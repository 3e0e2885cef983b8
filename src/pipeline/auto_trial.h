// `layer: auto`, decided by some of the file's own edits at a few layers.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "emend/edit_run.h"
#include "emend/editor.h"
#include "emend/locate.h"
#include "emend/progress.h"
#include "emend/records.h"

namespace emend {

struct AutoTrial {
  const Model& model;
  const Editor& editor;
  const std::vector<EditRequest>& requests;
  const EditorContext& context;  // its layers, statistics and protection are not used
  const std::filesystem::path& statistics;
};

struct TrialPlan {
  std::vector<int> layers;         // ascending; empty: nothing is tried
  std::vector<std::size_t> facts;  // which of the requests
  std::vector<std::string> ids;    // of these
  std::string why_not;             // if nothing is tried: the reason, a clause
};

// Whether the edits of a trial held at a layer without much harm: each success at least a half, bleed at most
// a half.
bool passes(const TrialScore& score);

// Puts the layer that is taken first: of those that pass and are level with the best of them, the nearest to
// `depth` (ties: the lower layer). `scores`: best first; they stay as they are if none passes.
void put_taken_first(std::vector<TrialScore>& scores, int depth);

// The depth default and its neighbours, of which one lies above it: late layers bleed most. Facts are spread
// over the file. Nothing is tried by a method that writes several layers, within a limit of memory, and where
// the folder has statistics, but of fewer than two of these layers. Runs nothing.
TrialPlan plan_trial(const AutoTrial& trial);

// Makes the planned edits, each alone on the unedited model and without protection, and scores them by
// efficacy, paraphrases, neighbours and bleed (layer_trial.h): that of the subjects that the edit names, and
// of those that the model itself names. The best layer is taken; of layers whose scores are level with the
// best one's, that nearest to the depth default (ties: the lower layer), which is the first of
// LayerDecision::trial. If no layer passes (each success at least a half, bleed at most a half), depth
// decides, and `trial` holds the scores. Statistics of all layers are collected in one pass if the folder has
// none, and saved if the editor accepts the requests. Throws what the editor and the collecting throw.
LayerDecision try_layers(const AutoTrial& trial, const TrialPlan& plan, Progress& progress);

}  // namespace emend
