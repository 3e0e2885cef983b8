// The figures of one or several runs and what they were made with, as Markdown.
#pragma once

#include <string>
#include <vector>

#include "emend/eval.h"

namespace emend {

std::string markdown_report(const std::vector<EvalSummary>& runs);

}  // namespace emend
