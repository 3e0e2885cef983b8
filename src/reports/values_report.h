// Values as distributions over the vocabulary (emend/memory_values.h): on a terminal, as JSON, as a page.
#pragma once

#include <cstddef>
#include <string>

#include "base/json.h"
#include "emend/memory_values.h"

namespace emend {

std::string values_text(const ValuesOutcome& outcome, const ValueOptions& options, std::size_t columns);
ResultJson values_json(const ValuesOutcome& outcome, const ValueOptions& options, const Model& model);
std::string values_page(const ValuesOutcome& outcome, const ValueOptions& options, const Model& model);

}  // namespace emend
