// The token budget that a caller gives.
#pragma once

#include <cstdint>

#include "emend/model.h"

namespace emend::c_api {

// As given; 0: what suits the model's device. Throws Error(kUsage) if it is negative.
std::int64_t settled_token_budget(std::int64_t tokens, const Model& model);

}  // namespace emend::c_api
