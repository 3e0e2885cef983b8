// How the share of semantic patterns goes over the layers: the fit of PatternTransition
// (emend/memory_patterns.h).
#pragma once

#include <optional>
#include <vector>

#include "emend/memory_patterns.h"

namespace emend {

inline constexpr double kTransitionStep = 0.1;  // layers between two middles that are tried

// By least squares with both ends in [0, 1], for each series of shares; empty of fewer than four layers.
std::vector<PatternTransition> fit_transitions(const std::vector<double>& layers,
                                               const std::vector<std::vector<double>>& series);

// The fit of `shares`, with 95 % intervals from those of `resampled`, if there are any; std::nullopt of fewer
// than four layers.
std::optional<PatternTransition> fit_transition(const std::vector<double>& layers,
                                                const std::vector<double>& shares,
                                                const std::vector<std::vector<double>>& resampled = {});

}  // namespace emend
