// Which layer takes edits best? Measured with the real editor.
#pragma once

#include <filesystem>
#include <vector>

#include "emend/dataset.h"
#include "emend/editor.h"
#include "emend/locate.h"
#include "emend/progress.h"

namespace emend {

struct LayerTrial {
  std::vector<EvalRecord> records;  // ready for this model (fit_records)
  const Editor* editor = nullptr;
  EditorContext
      context;  // its layer is set layer by layer; statistics hold C of all of them where the editor needs it
  std::vector<int> layers;
  std::filesystem::path folder;  // a run folder for each layer, "layer-4", that a killed trial resumes from
  bool resume = false;
  std::string model_fingerprint;
  bool known_only = true;  // leave out records whose present answer is not the model's
};

// The mean over the records of the largest rise of p(target) at another subject (bleed_worst of eval): among
// TrialScore::parts, but not a success. The score counts 1 - it.
inline constexpr const char* kBleedPart = "bleed_worst";

// Every record edited alone on the unedited model at every layer (the searches of one layer share batches;
// each layer is a contender of eval/run.h, so blocks below the lowest layer run once for all), and scored as
// `emend eval` scores: the harmonic mean of efficacy, paraphrase and neighbourhood success with its 95 %
// interval, and of 1 - kBleedPart where records name other subjects. Best first; ties: the lower layer.
// Records that lack paraphrases or neighbours are scored by what they have: the harmonic mean is over the
// parts that occur. Throws as run_eval does, and Error(kConfig) when
// no record could be edited, with the reasons.
std::vector<TrialScore> run_layer_trial(Model& model, const LayerTrial& trial, Progress& progress);

// Layers worth trying: the `most` best of the trace's ranking, and those within two of the depth default.
// Sorted.
std::vector<int> trial_candidates(const std::vector<LayerScore>& ranking, const ModelConfig& config,
                                  std::size_t most = 3);

}  // namespace emend
