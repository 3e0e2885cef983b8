// Measured facts and checks as tables for a terminal. `columns` is its width; 0: no limit.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "emend/checks.h"
#include "pipeline/result_json.h"

namespace emend {

// How many facts, paraphrases and neighbours hold (emend/judge.h), of those that the checks count: measured,
// and not true already.
struct HeldCounts {
  std::size_t facts = 0, held_facts = 0;
  std::size_t paraphrases = 0;
  std::size_t held_paraphrases = 0;  // on which the target is likelier: what the check `paraphrase` counts
  std::size_t said_paraphrases = 0;  // on which it is the greedy continuation
  std::size_t neighbours = 0, held_neighbours = 0;
};
HeldCounts held_counts(const std::vector<FactRecord>& facts);

// Whether the bound of a check is the largest value that passes (drift, bleed, update), not the smallest.
bool is_upper_bound(const CheckResult& check);
// "passed", "FAILED" or "not measured".
std::string verdict_text(const CheckResult& check);

// Each fact on a line: answers, probabilities, completions.
std::string facts_table(const std::vector<FactRecord>& facts, std::size_t columns);

// How many paraphrases and neighbours hold, and those that do not.
std::string lost_table(const std::vector<FactRecord>& facts, std::size_t columns);

// Each check with value, threshold and verdict.
std::string checks_table(const std::vector<CheckResult>& checks, std::size_t columns);

}  // namespace emend
