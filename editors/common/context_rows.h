// Texts that stand in front of a prompt while a value is searched.
#pragma once

#include <cstdint>
#include <vector>

#include "emend/editor.h"
#include "emend/generate.h"
#include "emend/model.h"

namespace emend::editors {

// The contexts of a call: those that context.cache holds, else sampled (sample_contexts) and kept there. None
// for count 0.
std::vector<TokenIds> contexts_of(const Model& model, const EditorContext& context, std::int64_t count);

}  // namespace emend::editors
