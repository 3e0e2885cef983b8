#pragma once

#include <string>

#include "emend/statistics.h"

namespace emend {

// Hex, over model, tokenizer, BOS, layers' keys, corpus (or seed) and tokens.
std::string statistics_fingerprint(const Model& model, const StatisticsOptions& options, std::int64_t tokens,
                                   const std::string& corpus);

}  // namespace emend
