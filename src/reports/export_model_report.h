// A model that was written for transformers, as text and JSON.
#pragma once

#include <string>

#include "base/json.h"
#include "emend/export_model.h"

namespace emend {

std::string exported_model_text(const ExportModelOutcome& outcome);
ResultJson exported_model_json(const ExportModelOutcome& outcome, const Model& model);

}  // namespace emend
