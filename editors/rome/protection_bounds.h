// How much of the residual each key of another subject may get: as much as leaves the target unlikely there.
//
// An edit takes the log-odds of its target from those of its own prompt on the unedited model, L(p_own), to
// those at which the search stops, L(p_stop). A subject whose key is answered a gets about the share a of
// that way, so its target p rises by no more than `rise` while
//
//   |a| <= (L(min(p + rise, 1/2 + p/2)) - L(p)) / (L(p_stop) - L(p_own)),   L(p) = log(p / (1 - p))
//
// with a denominator of at least 2 nats: a target that is nearly likely enough needs a short residual, whose
// shares say little.
#pragma once

#include <cstdint>
#include <vector>

#include "emend/model.h"

namespace emend::editors {

// The probability of the whole target behind each prompt (BOS ids in front of it), on this model. The rows
// run through all blocks, as many at a time as the token budget allows.
std::vector<double> target_probabilities(const Model& model, const std::vector<TokenIds>& prompts,
                                         const TokenIds& target, std::int64_t token_budget);

// What the formula above gives, at most 1. `own`, `stop` and `other` are probabilities in [0, 1]; 0 <= rise
// <= 1, and 0 gives 0.
double response_bound(double own, double stop, double other, double rise);

}  // namespace emend::editors
