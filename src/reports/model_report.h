// What a model is in numbers (emend/model_summary.h).
#pragma once

#include <string>

#include "base/json.h"
#include "emend/model_summary.h"

namespace emend {

// Shape, tokenizer, and parameters by part.
std::string model_text(const ModelSummary& summary, const Model& model);
ResultJson model_info_json(const ModelSummary& summary, const Model& model);

}  // namespace emend
