// Two benchmark runs beside each other.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>

#include "emend/eval_results.h"

namespace emend {

// `columns` of the terminal; 0: no limit.
std::string comparison_report(const Comparison& comparison, std::size_t columns);

nlohmann::ordered_json comparison_json(const Comparison& comparison);

}  // namespace emend
