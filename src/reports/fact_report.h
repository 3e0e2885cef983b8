// Measured facts and checks as tables for a terminal. `columns` is its width; 0: no limit.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "emend/checks.h"
#include "pipeline/result_json.h"

namespace emend {

// Each fact on a line: answers, probabilities, completions.
std::string facts_table(const std::vector<FactRecord>& facts, std::size_t columns);

// How many paraphrases and neighbours hold, and those that do not.
std::string lost_table(const std::vector<FactRecord>& facts, std::size_t columns);

// Each check with value, threshold and verdict.
std::string checks_table(const std::vector<CheckResult>& checks, std::size_t columns);

}  // namespace emend
