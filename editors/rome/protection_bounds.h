// How much of the residual each key of another subject may get: as much as leaves the target unlikely there,
// which is measured.
//
// A subject whose key is answered a, and whose target the edit takes from p to p', has its log-odds moved by
// about the same for each unit of a, so its target rises by `rise` at
//
//   |a| (L(min(p + rise, 1/2 + p/2)) - L(p)) / (L(p') - L(p)),   L(p) = log(p / (1 - p))
//
// The edit is made and measured, the bounds of keys where the target has become too likely are set to that,
// the response is solved for again, and so on: from both sides log-odds that are not linear in a are
// approached within a few rounds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "emend/generate.h"
#include "emend/model.h"
#include "emend/pass.h"

namespace emend::editors {

// The probability of the whole target behind each prompt (BOS ids in front of it), on this model with these
// changes. The rows run through all blocks, as many at a time as the token budget allows, and share their
// common beginnings.
std::vector<double> target_probabilities(const Model& model, const std::vector<TokenIds>& prompts,
                                         const TokenIds& target, std::int64_t token_budget,
                                         const std::vector<Overlay>& edit = {});

// (p_1 .. p_q)^(1/q): by what ES compares answers of different numbers of tokens.
double probability_per_token(double probability, std::size_t tokens);

// min(p + rise, 1/2 + p/2): what the target may become where it was `before`.
double highest_probability(double before, double rise);

// What the formula above gives for a key that is answered `answer` (of any sign); at most twice |answer|,
// also where the target has not risen at all.
double measured_bound(double answer, double before, double after, double rise);

}  // namespace emend::editors
