// What a run was made with, so that it can be repeated.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "emend/eval.h"

namespace emend {

// Name and value, in the order of reading: data set, model, method with its options, mode, statistics, seed,
// types, version, times. What is empty reads "none".
std::vector<std::pair<std::string, std::string>> provenance(const EvalSummary& summary);

}  // namespace emend
