// What cells do where they are triggered: each cell of an index is switched off at its own best triggers, and
// all that lies behind it runs again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "emend/memory_id.h"
#include "emend/model.h"
#include "emend/progress.h"

namespace emend {

struct EffectOptions {
  std::filesystem::path index;   // of a scan (emend/memory_scan.h)
  std::vector<int> layers = {};  // empty: those of the index
  // Of each layer, the cells with the largest contributions |m| |v| anywhere in the text; 0: all.
  int cells = 100;
  int triggers = 1;  // of a cell, its best ones at the end that it counts at; 1 to 1,000
  // Tokens of a prefix, with what begins every row: of a longer one its end is taken.
  std::int64_t longest = 128;
  std::int64_t token_budget = 4096;  // tokens a pass may hold
};

// Means over the triggers of one cell that have a next token in the text, w.
struct CellEffect {
  MemoryId cell;
  bool high = true;        // the end of the larger |coefficient|
  int triggers = 0;        // that were run
  double coefficient = 0;  // m at the end of the prefixes, with its sign
  // log p(w) and its logit, less what is left of them when m is 0 at the last token of the prefix and all
  // behind it runs again.
  double effect = 0, logit = 0;
  double kl = 0;      // KL(model, model without the cell) of the next token, nats
  double direct = 0;  // what m v adds to the logit of w at once, the final norm's size held
  // Of the best trigger: the end of the prefix, its next token, and p(w).
  std::string text, next;
  double probability = 0;
};

struct LayerEffects {
  int layer = 0;
  std::int64_t cells = 0;                // with a trigger that was run
  double effect = 0, low = 0, high = 0;  // mean over cells, 1.96 standard errors around it
  double helps = 0;                      // share of cells without which w is less likely
  double kl = 0;                         // mean
  double direct = 0;                     // mean
  // Over cells: how many lose of the logit what has the sign of `direct`, and Pearson's correlation of the
  // two; NaN where it is not defined.
  double same_sign = 0, correlation = 0;
};

struct EffectOutcome {
  std::vector<LayerEffects> layers;
  std::vector<CellEffect> cells;  // by address
  std::int64_t prefixes = 0;      // that were run, each once
  std::int64_t without = 0;       // cells that were chosen and have no trigger with a next token
  std::map<std::string, double> seconds;
};

// One pass over each prefix, and for each cell and trigger the blocks from its layer on at the last token
// alone, over the cached rest; side by side within the token budget. Throws Error: kUsage (an option out of
// range), kModel (an index of another model), kConfig and kFormat as MemoryIndex does.
EffectOutcome measure_effects(const Model& model, const EffectOptions& options,
                              Progress& progress = no_progress());
// What needs no model. Throws Error(kUsage).
void check_effects(const EffectOptions& options);

}  // namespace emend
