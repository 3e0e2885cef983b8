// What a checkpoint is and what works with it (emend/model_check.h).
#pragma once

#include <cstddef>
#include <string>

#include "base/json.h"
#include "emend/model_check.h"

namespace emend {

// What the headers tell: the file, roles, norms, share of the FFN, memory, and what is not supported.
std::string check_text(const ModelCheck& check, std::size_t columns);

// After all weights were loaded, and the tokenizer was tried.
std::string weights_check_text(const Model& model);
std::string tokenizer_check_text(bool has_tokenizer);

// Of a check of the headers alone, passed or refused; `passed` tells whether the model can be loaded.
ResultJson model_check_json(const ModelCheck& check);
// Of a check that loaded the model and passed.
ResultJson model_check_json(const ModelCheck& check, const Model& model);

}  // namespace emend
