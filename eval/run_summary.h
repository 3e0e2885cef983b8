// What a run is and what it found: the settings in run.json, the figures and notes in summary.json.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "emend/eval.h"
#include "eval/run.h"

namespace emend {

// All that the results of a contender depend on.
nlohmann::ordered_json run_settings(const EvalSetup& setup, const Contender& contender);

// Counts, means and intervals of `records` into `summary`; failed edits are counted, too, and records that
// were left out by reason.
void fill_figures(EvalSummary& summary, const std::vector<RecordResult>& records);

// What `records` say besides their figures: that none was evaluated, which edits failed, how
// many carry warnings.
std::vector<std::string> notes_on(const std::vector<RecordResult>& records);

// What the run could not measure, and facts that had no room. `tells`: its facts stand in front of every
// prompt, and no weight changes.
std::vector<std::string> notes_on_missing(const EvalSetup& setup, bool tells,
                                          const std::vector<RecordResult>& records);

}  // namespace emend
