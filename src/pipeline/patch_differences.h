// How far what is measured now lies from what a patch stored.
#pragma once

#include <optional>
#include <vector>

#include "emend/fact_state.h"

namespace emend {

// The largest difference of p(target) of the prompts. Returns std::nullopt when nothing is stored.
std::optional<double> largest_difference(const std::vector<FactState>& stored,
                                         const std::vector<FactState>& now);

}  // namespace emend
