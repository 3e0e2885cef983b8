// Patterns of trigger examples (emend/memory_patterns.h): on a terminal, as JSON, as a page.
#pragma once

#include <cstddef>
#include <string>

#include "base/json.h"
#include "emend/memory_patterns.h"

namespace emend {

std::string patterns_text(const PatternsOutcome& outcome, const PatternOptions& options, std::size_t columns);
ResultJson patterns_json(const PatternsOutcome& outcome, const PatternOptions& options);
std::string patterns_page(const PatternsOutcome& outcome, const PatternOptions& options);

// The curves and tables over layers without the frame of a page.
std::string patterns_sections(const ResultJson& patterns);

}  // namespace emend
