// The page of a benchmark: tables, charts, the worst cases with their text before and after.
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

// Runs over the same records of the same model, as a whole document (reports/page.h).
std::string eval_page(const std::vector<EvalResults>& runs, const EvalPageOptions& options = {});

}  // namespace emend
