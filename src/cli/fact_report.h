// Measured facts and checks, for people and as JSON; shared by `edit` and `patch verify`.
#pragma once

#include <string>
#include <vector>

#include "cli/console.h"
#include "emend/checks.h"
#include "emend/edit.h"

namespace emend {

// One fact with what was measured of it before and after the edit. Points into the caller's lists.
struct MeasuredFact {
  const EditedFact* fact;
  const FactState* before;
  const FactState* after;
};

// Lists of equal length side by side.
std::vector<MeasuredFact> pair_up(const std::vector<EditedFact>& facts, const std::vector<FactState>& before,
                                  const std::vector<FactState>& after);

// Each fact on a line: answers, probabilities, completions.
std::string facts_table(const std::vector<MeasuredFact>& facts, std::size_t columns);

// How many paraphrases and neighbours hold, and those that do not.
std::string lost_table(const std::vector<MeasuredFact>& facts, std::size_t columns);

// Each check with value, threshold and verdict.
std::string checks_table(const std::vector<CheckResult>& checks, std::size_t columns);

ResultJson edits_json(const std::vector<MeasuredFact>& facts);
ResultJson checks_json(const std::vector<CheckResult>& checks);

// For a command line that the user may copy: quoted where a shell would split or change it.
std::string shell_word(const std::string& word);

}  // namespace emend
