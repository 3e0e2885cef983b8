// The run loop of a benchmark: records through editors, measured beside the unedited model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "analysis/prompt_rows.h"
#include "emend/dataset.h"
#include "emend/editor.h"
#include "emend/eval.h"
#include "emend/model.h"
#include "emend/progress.h"
#include "eval/metric.h"

namespace emend {

// i of N, from 0: units of records i, i + N, i + 2 N, ...
struct Shard {
  std::int64_t index = 0, count = 1;
};

// A method with its options, and where its results go.
struct Contender {
  EvalSummary header;  // model, data, method, options, seed: all but what the run finds out
  const Editor* editor = nullptr;
  EditorContext context;
  std::filesystem::path folder;
};

// The form that records are asked in beside the one that they are edited in.
struct OtherForm {
  RowForm rows;
  std::vector<std::unique_ptr<Metric>> metrics;
};

struct EvalSetup {
  std::vector<EvalRecord> records;  // of one data file
  std::int64_t first_record = 0;    // number of records[0] among the file's usable records
  EvalMode mode;
  // Sequential mode: numbers of edits after which it is measured on its way, rising; std::nullopt: those of
  // default_curve(), and ten evenly spaced ones for retention. The end is a point, too, unless there are
  // none.
  std::optional<std::vector<std::int64_t>> curve;
  Shard shard;
  std::vector<std::unique_ptr<Metric>> metrics;
  std::optional<OtherForm> other_form;  // std::nullopt: one form alone
  bool skip_true = true;                // records whose target is the base's greedy answer are counted apart
  bool known_only = false;          // records whose present answer is not the base's greedy one are left out
  std::int64_t extra_tokens = 3;    // of a greedy text beyond its longest answer
  std::int64_t natural_tokens = 0;  // of a text that the model is to end itself; 0: none is asked for
  std::int64_t sampled = 0;         // texts of each prompt that are drawn; 0: none
  double temperature = 1;           // of these
  std::int64_t text_tokens = 100;   // of a sampled text, prompt included (Meng et al. 2022)
  std::vector<std::vector<std::int64_t>> drift_rows;
  bool wants_drift = true;  // if not, rows are missing because nobody asked for them
  std::int64_t token_budget = 4096;
  bool resume = false;
};

// Throws Error(kUsage) for parts of a sequential run: every step builds on the one before.
void require_shardable(const EvalMode& mode, const Shard& shard);

// How many units the records make. Parts share out units: 32 records, or those of one batch or step.
std::int64_t count_units(const EvalSetup& setup);

// Runs all contenders on the same records; the unedited model is measured once for all of them. Results go to
// each contender's folder: run.json (settings), records.jsonl as units finish, in sequential mode the points
// of its curve in curve/, summary.json at the end. A run that stops at any moment can be resumed at the unit
// it was in, and then writes the same files. `model` is changed while a sequential edit is searched, and put
// back. Throws Error(kConfig) if a folder holds another run (the first setting that differs is named), or
// this one, begun or finished, without `resume`; and what editors throw, except failed searches, which are
// results.
std::vector<EvalSummary> run_eval(Model& model, const EvalSetup& setup,
                                  const std::vector<Contender>& contenders, Progress& progress);

}  // namespace emend
