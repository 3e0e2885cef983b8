// Sampled texts that stand in front of a prompt while a value is searched, and what they depend on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emend/generate.h"
#include "emend/model.h"

namespace emend {

// Of the default method, and of methods for many facts, of each of the two lengths.
inline constexpr int kDefaultContexts = 10;
inline constexpr int kBulkContexts = 5;

// Texts that make keys and values robust to what precedes: `count` of 4 and `count` of 9 new tokens after the
// start token, drawn among the 5 likeliest. Ids without the start token. They depend on the model and the
// seed alone.
std::vector<TokenIds> sample_contexts(const Model& model, const TokenIds& prefix, std::int64_t count,
                                      std::uint64_t seed);

// Everything that the sampled texts depend on, by which StatisticsTexts keeps them: as contexts_10 for a
// count of 10. Those of two counts are two draws: the texts that one cuts to 4 tokens are long ones of the
// other.
std::string contexts_identity(const Model& model, const TokenIds& prefix, std::int64_t count,
                              std::uint64_t seed);

}  // namespace emend
