// `layer: auto` of an edit file.
#pragma once

#include <functional>
#include <vector>

#include "emend/locate.h"
#include "emend/progress.h"
#include "pipeline/auto_trial.h"

namespace emend {

struct AutoLayerOptions {
  bool by_depth = false;  // `layer: depth`
  // Gives the edits of the file that are not true already: those that a trial may use. Called where a
  // decision is to be made.
  std::function<std::vector<EditRequest>()> open_edits;
  bool may_edit = false;  // to decide; false: what would be tried is planned alone
};

struct AutoLayer {
  LayerDecision decision;
  bool tried = false;  // the decision has a trial of the file's own edits just now
  TrialPlan planned;   // the trial that was not allowed, or the reason why there is none
  double seconds = 0;  // that the trial took
};

// The decision that is kept in the statistics folder (analysis/layer_choice.h). Without one: the decision of
// a trial of the file's own edits (auto_trial.h), which is kept there if a layer passes and the folder can be
// written. Where nothing is tried: the depth default, with a quick trace of the file's own prompts beside it
// (MLP windows at the subject's last token, a few prompts and samples); nothing is kept then. All of this is
// told in notes. Where every edit of the file is true already, depth decides without a word.
AutoLayer auto_layer(const AutoTrial& file, const AutoLayerOptions& options, Progress& progress);

}  // namespace emend
