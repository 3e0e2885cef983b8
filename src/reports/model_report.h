// What a model is (emend/model_summary.h), and which tensor of its files plays which role.
#pragma once

#include <cstddef>
#include <string>

#include "base/json.h"
#include "emend/model_summary.h"

namespace emend {

// Shape, tokenizer, and parameters by part.
std::string model_text(const ModelSummary& summary, const Model& model);
ResultJson model_info_json(const ModelSummary& summary, const Model& model);

std::string roles_text(const Model& model, std::size_t columns);
std::string tokenizer_check_text(bool has_tokenizer);
// Of a check that passed.
ResultJson model_check_json(const Model& model);

}  // namespace emend
