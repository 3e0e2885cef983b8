// Settings of feed-forward cells written into weights: a patch that is listed, applied, verified and taken
// back like any other.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emend/memory_set.h"
#include "emend/model.h"
#include "emend/patch.h"
#include "emend/progress.h"

namespace emend {

struct BakeOptions {
  std::vector<MemorySetting> settings;  // at least one, each of another cell
  // A patch records what the model answers to this prompt before and after the change, so that it can be
  // verified on any machine. The last word of the prompt is recorded as the subject of each fact, and the
  // answer of the changed model as its target.
  std::string prompt;
  std::string bos = "auto";
  std::int64_t token_budget = 4096;
};

// The reason why a setting cannot be written exactly as a change of the down projection; empty if it can.
// Two forms are exact: m_i = 0 at all tokens (the value becomes zero), and m_i times f at all tokens (the
// value is multiplied by f). The cell adds m_i v_i, and nothing else in the layer depends on v_i, also if
// a norm follows the layer.
std::string why_not_baked(const MemorySetting& setting);

// One fact for each setting, named as the setting is written. For cell i its key is the unit vector e_i, its
// residual (f - 1) v_i: W += (f - 1) v_i e_i^T, where f = 0 gives zeros exactly in float32. Throws Error:
// kUsage (no setting, a cell twice, an empty prompt, a setting without an exact form, with the reason),
// kConfig (a cell that the model does not have; no word is written after the prompt). The model stays as it
// is.
Patch run_bake(Model& model, const BakeOptions& options, Progress& progress = no_progress());

}  // namespace emend
