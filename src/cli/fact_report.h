// Measured facts and checks, for people; shared by `edit` and `patch verify`.
#pragma once

#include <string>
#include <vector>

#include "cli/console.h"
#include "emend/checks.h"
#include "pipeline/result_json.h"

namespace emend {

// Each fact on a line: answers, probabilities, completions.
std::string facts_table(const std::vector<FactRecord>& facts, std::size_t columns);

// How many paraphrases and neighbours hold, and those that do not.
std::string lost_table(const std::vector<FactRecord>& facts, std::size_t columns);

// Each check with value, threshold and verdict.
std::string checks_table(const std::vector<CheckResult>& checks, std::size_t columns);

// For a command line that the user may copy: quoted where a shell would split or change it.
std::string shell_word(const std::string& word);

}  // namespace emend
