// Why a model says a token (emend/memory_explain.h): on a terminal, as JSON, as a page.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/json.h"
#include "emend/memory_explain.h"

namespace emend {

std::string explain_text(const ExplainOutcome& outcome, const ExplainOptions& options, std::size_t columns);
ResultJson explain_json(const ExplainOutcome& outcome, const ExplainOptions& options, const Model& model);
std::string explain_page(const ExplainOutcome& outcome, const ExplainOptions& options, const Model& model);

// What was found, in a sentence or two.
std::string explain_summary(const ExplainOutcome& outcome);
// "L12H3 4 \" France\" 1.2, FFN 8 0.7".
std::string sources_text(const std::vector<ExplainSource>& sources, const std::vector<std::string>& pieces);

}  // namespace emend
