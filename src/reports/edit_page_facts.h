// The facts of an edit on its page: their table, and the answers to the prompts of each.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "emend/edit.h"

namespace emend {

// "3 of 4 edits".
std::string part_text(std::size_t part, std::size_t all, const std::string& what);

// Every fact in a row, before and after.
std::string facts_table(const std::vector<FactRecord>& facts);

struct FactAnswers {
  // Of the first facts, those that do not hold first: id, prompt, target, what is lost (or false), table.
  nlohmann::ordered_json shown = nlohmann::ordered_json::array();
  std::size_t measured = 0;  // facts that were measured before and after and were not true already
};

// At most `most` facts are shown.
FactAnswers fact_answers(const std::vector<FactRecord>& facts, std::size_t most);

}  // namespace emend
