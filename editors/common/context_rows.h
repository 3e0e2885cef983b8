// Texts that stand in front of a prompt while a value is searched.
#pragma once

#include <cstdint>
#include <vector>

#include "emend/model.h"

namespace emend {

// Texts that make keys and values robust to what precedes: `count` of 4 and `count` of 9 new tokens
// after the start token, drawn among the 5 likeliest. Ids without the start
// token. They depend on model and seed alone.
std::vector<std::vector<std::int64_t>> sample_contexts(const Model& model,
                                                       const std::vector<std::int64_t>& prefix,
                                                       std::int64_t count, std::uint64_t seed);

}  // namespace emend
