// Where a model keeps a fact and which layer to edit, as `emend locate` finds it: causal traces of one prompt
// or of a file of facts, their averages and ranking, a trial by edits when it is asked for, and a decision.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "emend/dataset.h"
#include "emend/locate.h"
#include "emend/model.h"
#include "emend/progress.h"

namespace emend {

struct LocateOptions {
  // One prompt, or a file of facts.
  std::string prompt, subject, answer;  // answer empty: the likeliest next token
  int occurrence = 0;                   // which of several subjects, from 1; 0: the only one
  std::filesystem::path facts;          // JSON or JSON lines with prompt, subject and the expected answer
  std::int64_t limit = 0;               // only the first facts that the model answers as expected; 0: all
  std::filesystem::path out;            // folder that keeps the result of each fact; empty: none is kept
  bool resume = false;                  // continue with what is in `out`
  std::int64_t shard = 0, shards = 1;   // only part `shard` of `shards`; all parts share `out`

  std::string bos = "auto";
  TraceOptions trace;  // its prefix is filled by the run
  std::filesystem::path
      statistics;  // where the decision and the trial's statistics lie; empty: the default folder

  // The trial: real edits of some facts, each alone, at several layers.
  std::int64_t trial = 0;            // facts to edit at each layer; 0: no trial
  std::vector<int> trial_layers;     // empty: the best of the trace and those around the depth default
  std::int64_t check = 0;            // further facts on which the decision is checked
  std::filesystem::path trial_data;  // edits to try; empty: the facts file, which must name targets then
  std::string trial_dataset;         // its form, as in BenchmarkOptions; empty: found by looking at the file
  std::string method;                // the editor; empty: rome

  // Keep the decision for `layer: auto`, in the statistics folder: of a file of facts, and of a trial only if
  // it edited at least kLeastTrialFacts.
  bool keep_decision = false;
};

// What can be read, and refused, before a model is loaded.
struct LocateInput {
  std::vector<TraceFact> facts;
  std::optional<DatasetFile> trial;
};
// Throws Error(kUsage) for options that contradict each other or are out of range (run_locate does, too), and
// what reading the files throws.
LocateInput read_locate_input(const LocateOptions& options);

struct LocateOutcome {
  TraceResult result;  // if result.missing > 0, other parts have no results yet, and nothing below is filled
  TraceAverage average;
  std::vector<LayerScore> ranking;
  LayerDecision decision;
  std::vector<TrialScore> check;  // the same layers on other facts
  double noise_sigma = 0;         // one standard deviation of the subjects' embeddings
  // Where the decision is kept for `layer: auto`. Empty if it is not kept: where that was not asked for,
  // where a decision by edits exists already and this one has no trial, and where the trial edited too few
  // facts.
  std::filesystem::path kept;
  std::vector<std::string> notes;
};

// Whether the chosen layer's score lies within the 95 % interval of the best one's, on facts that the trial
// did not use.
bool holds_on_other_facts(const std::vector<TrialScore>& check, int chosen);

// Where the decision is to be kept, the statistics folder is checked before any work, and the decision is
// written there at the end; a decision by edits is not replaced by one without edits. Throws what trace_facts
// and the editor of the trial throw.
LocateOutcome run_locate(Model& model, const LocateInput& input, const LocateOptions& options,
                         Progress& progress = no_progress());

}  // namespace emend
