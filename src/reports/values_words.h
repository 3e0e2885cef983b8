// Words that the texts and the pages about values share.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "emend/memory_values.h"

namespace emend {

std::string quartiles_text(const std::array<double, 3>& quartiles);  // "0.01, 0.02, 0.05"
std::string ranks_text(const std::array<double, 3>& quartiles);      // "12, 340, 5,100"
std::string share_text(double share);                                // "3.5 %", and small ones with digits
// "precision@25": of the triggers of a cell, at most that many in any layer.
std::string precision_name(const ValuesOutcome& outcome);
std::string tokens_text(const std::vector<std::string>& tokens);  // quoted, with spaces between
// The last 70 bytes of a text, as a table would cut the end, which is what matters of a trigger.
std::string ending_text(const std::string& text);
// What was found, in a sentence or two.
std::string values_summary(const ValuesOutcome& outcome, const ValueOptions& options);

}  // namespace emend
