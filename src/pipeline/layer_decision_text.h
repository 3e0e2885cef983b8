// The decision on the layer in words, and where it is kept.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "emend/locate.h"

namespace emend {

// From the evidence at hand: the trial's best layer when there was a trial, else the depth default.
LayerDecision decide_layer(const Model& model, const std::vector<std::int64_t>& prefix,
                           const std::vector<LayerScore>& trace, std::int64_t traced_facts,
                           const std::vector<TrialScore>& trial);

// What decided, and what the trace says beside it.
std::string decision_text(const LayerDecision& decision);

}  // namespace emend
