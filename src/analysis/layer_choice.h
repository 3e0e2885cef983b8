// The layers that a method writes: those that are named, or `layer: auto`, which is a decision by evidence or
// by depth.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "emend/locate.h"
#include "emend/progress.h"
#include "emend/records.h"

namespace emend {

// Whether the choice is `depth`: it was made somewhere, and names no layers. `auto` is no choice.
inline bool is_by_depth(const LayerChoice& choice) {
  return choice.layers.empty() && !choice.where.empty();
}

// The named layers in ascending order, each once. Throws Error(kConfig), which begins with `where`, for a
// layer that the model does not have.
std::vector<int> named_layers(const std::vector<int>& layers, const ModelConfig& config,
                              const std::string& where);

// From the evidence at hand: the trial's best layer when there was a trial, else the depth default.
LayerDecision decide_layer(const Model& model, const std::vector<std::int64_t>& prefix,
                           const std::vector<LayerScore>& trace, std::int64_t traced_facts,
                           const std::vector<TrialScore>& trial);

// The layers that `layer: auto` tries if all can be: some around the depth default, ascending.
std::vector<int> layers_near_depth(const ModelConfig& config);

// Scores of a trial that differ by less are level: so few facts do not tell them apart.
inline constexpr double kLevelScores = 0.01;

// What decided, and what the trace says beside it.
std::string decision_text(const LayerDecision& decision);

// The decision that `emend locate --keep-decision` or a first edit left in the statistics folder, which is
// told as a note; without one, what `otherwise` decides. One of fewer than kLeastTrialFacts edits counts for
// the method that made them alone.
LayerDecision auto_layer(const Model& model, const std::vector<std::int64_t>& prefix,
                         const std::filesystem::path& statistics, const std::string& method,
                         Progress& progress, const std::function<LayerDecision()>& otherwise);

}  // namespace emend
