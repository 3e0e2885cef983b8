// What became of a data set that was written as an edit file (emend/convert_run.h).
#pragma once

#include <cstddef>
#include <string>

#include "base/json.h"
#include "emend/convert_run.h"

namespace emend {

std::string convert_text(const ConvertOutcome& outcome, std::size_t columns);
ResultJson convert_json(const ConvertOutcome& outcome);

}  // namespace emend
