// A run's figures and what it was made with, as Markdown.
#pragma once

#include <string>
#include <vector>

#include "emend/eval.h"

namespace emend {

std::string markdown_report(const std::vector<EvalSummary>& runs);

}  // namespace emend
