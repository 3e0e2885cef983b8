// A model that was written for transformers, as text and JSON.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "emend/export_model.h"
#include "emend/patch_run.h"

namespace emend {

// `patches`: those that were laid on the model.
std::string exported_model_text(const ExportModelOutcome& outcome, const std::vector<NamedPatch>& patches);
ResultJson exported_model_json(const ExportModelOutcome& outcome, const Model& model,
                               const std::vector<NamedPatch>& patches);

}  // namespace emend
