// The decision on the layer: `layer: auto` of an edit file, and how a decision reads.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "emend/editor.h"
#include "emend/locate.h"
#include "emend/progress.h"
#include "emend/records.h"

namespace emend {

// From the evidence at hand: the trial's best layer when there was a trial, else the depth default.
LayerDecision decide_layer(const Model& model, const std::vector<std::int64_t>& prefix,
                           const std::vector<LayerScore>& trace, std::int64_t traced_facts,
                           const std::vector<TrialScore>& trial);

// What decided, and what the trace says beside it.
std::string decision_text(const LayerDecision& decision);

// The decision that `emend locate --facts` left in the statistics folder. Without one: the depth default,
// with a quick trace of the file's own prompts beside it (MLP windows at the subject's last token, a few
// prompts and samples); nothing is kept then.
LayerDecision auto_layer(const Model& model, const std::vector<EditRequest>& requests,
                         const EditorContext& context, const std::filesystem::path& statistics,
                         Progress& progress);

}  // namespace emend
