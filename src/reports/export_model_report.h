// A model that was written for transformers, as text and JSON.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "emend/export_model.h"

namespace emend {

// `patches`: the names of those that were laid on the model.
std::string exported_model_text(const ExportModelOutcome& outcome, const std::vector<std::string>& patches);
ResultJson exported_model_json(const ExportModelOutcome& outcome, const Model& model,
                               const std::vector<std::string>& patches);

}  // namespace emend
