// A run that was repeated (emend/reproduce.h): on a terminal and as JSON.
#pragma once

#include <cstddef>
#include <string>

#include "base/json.h"
#include "emend/reproduce.h"

namespace emend {

std::string reproduce_text(const ReproduceOutcome& outcome, std::size_t columns);
ResultJson reproduce_json(const ReproduceOutcome& outcome, const std::string& file);

}  // namespace emend
