// The paired bootstrap of compare_runs (emend/eval_results.h).
#pragma once

#include <vector>

#include "emend/eval_results.h"

namespace emend {

// One figure of both runs, A and B: the mean of a column, or the harmonic mean of the means of several (the
// score). A column holds one value a record, in one order for both runs and all figures; a record with a
// value that is not finite ("not measured") does not count for the figure.
struct PairedFigure {
  std::vector<std::vector<double>> a, b;
};

// Each draw takes as many records as there are, with replacement, the same for all figures. The same seed
// gives the same draws on every machine. Throws std::invalid_argument when lengths differ.
std::vector<PairedDifference> paired_bootstrap(const std::vector<PairedFigure>& figures,
                                               const BootstrapOptions& options = {});

}  // namespace emend
