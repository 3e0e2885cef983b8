// Results as JSON text.
#pragma once

#include <string>

#include "base/json.h"

namespace emend {

// Indented by two blanks. Text from a model may end inside a character: what is not UTF-8 is replaced.
std::string dump_json(const ResultJson& json);

}  // namespace emend
