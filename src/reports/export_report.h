// What was written for other programs (emend/harness.h): on a terminal and as JSON.
#pragma once

#include <string>

#include "base/json.h"
#include "emend/harness.h"

namespace emend {

std::string evaluation_export_text(const EvaluationExport& outcome);
ResultJson evaluation_export_json(const EvaluationExport& outcome);

}  // namespace emend
