// Is an edit larger than the noise of quantising? A model, the same with patches, and quantised files of
// both, each against one base file (emend/kl.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "emend/eval_results.h"
#include "emend/kl.h"
#include "emend/model.h"
#include "emend/progress.h"

namespace emend {

struct KlRunOptions {
  std::filesystem::path model;                 // the model that patches were made on
  std::vector<std::filesystem::path> patches;  // in the order in which they stack; may be empty
  // The same model in fewer bits, and a quantised file of the edited model. Without the latter the patches
  // are laid on `quantised` as they are, as a program does that loads them as an adapter. Both may be empty.
  std::filesystem::path quantised, edited_quantised;
  std::filesystem::path base;  // the base file: one of `model`, unquantised, as a rule
  // Token budget 0: what suits the device.
  KlOptions how;
  BootstrapOptions bootstrap;
};

struct KlRow {
  std::string name;            // "model", "edited", "quantised", "edited, quantised"
  std::filesystem::path file;  // the model's
  bool patched = false;        // with the patches laid on it
  KlFigures figures;
  PairedDifference mean;  // a: 0, b: the mean KL; its interval is over chunks
};

// The mean KL of two rows, paired by chunk: positions of one chunk are not independent, chunks are.
struct KlComparison {
  std::string a, b;  // names of the rows
  PairedDifference difference;
};

struct KlOutcome {
  KlBase base;
  std::vector<KlRow> rows;
  // "quantised" to "edited": is the edit larger than the noise? "quantised" to "edited, quantised": what it
  // adds there. "model" to "edited", if nothing is quantised.
  std::vector<KlComparison> comparisons;
  BootstrapOptions bootstrap;
  std::vector<std::string> warnings;
  double seconds = 0;
};

// Loads one model at a time as `how` says. Patches must be of `model`. Throws Error: kUsage (a quantised
// edited model without patches), what measure_kl, load_patches, require_base and Model::load throw, and
// kModel if the patches do not fit the quantised model. All files that can be checked without a model are
// checked first.
KlOutcome run_kl(const KlRunOptions& options, const ModelOptions& how, Progress& progress = no_progress());

}  // namespace emend
