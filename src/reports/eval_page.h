// One page that needs nothing else: tables, distributions, retention, the worst cases with their text before
// and after.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "emend/eval.h"

namespace emend {

struct EvalPageOptions {
  std::string title;             // empty: made from data set and model
  std::size_t worst_cases = 20;  // of each kind and run, at most; the page says how many there are in all
};

// Runs over the same records of the same model. All text is escaped; no scripts, no network; light and dark
// by the reader's setting.
std::string eval_page(const std::vector<EvalResults>& runs, const EvalPageOptions& options = {});

}  // namespace emend
