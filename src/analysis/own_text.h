// How a text that the model writes itself begins.
#pragma once

#include "emend/generate.h"
#include "emend/statistics.h"

namespace emend {

// The prefix (the BOS choice), or where it is empty the start token alone: never empty. Throws as start_token
// does.
TokenIds opening_of_text(const Model& model, const TokenIds& prefix);

}  // namespace emend
