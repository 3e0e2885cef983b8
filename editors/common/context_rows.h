// Texts that stand in front of a prompt while a value is searched.
#pragma once

#include <cstdint>
#include <vector>

#include "emend/editor.h"
#include "emend/generate.h"
#include "emend/model.h"

namespace emend::editors {

// Texts that make keys and values robust to what precedes: `count` of 4 and `count` of 9 new tokens after the
// start token, drawn among the 5 likeliest. Ids without the start token. They depend on the model and the
// seed alone.
std::vector<TokenIds> sample_contexts(const Model& model, const TokenIds& prefix, std::int64_t count,
                                      std::uint64_t seed);

// The contexts of a call: those that context.cache holds, else sampled and kept there. None for count 0.
std::vector<TokenIds> contexts_of(const Model& model, const EditorContext& context, std::int64_t count);

}  // namespace emend::editors
