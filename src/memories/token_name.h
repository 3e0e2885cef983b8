// What a token is called in results.
#pragma once

#include <cstdint>
#include <string>

#include "emend/model.h"

namespace emend {

// Its text; bytes that are no whole character as \xNN. "<50300>" for an id that the tokenizer does not have.
std::string token_name(const Model& model, std::int64_t id);

}  // namespace emend
