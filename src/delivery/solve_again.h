// The change of one weight from what its facts hold: keys, answers, residuals.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <vector>

#include "emend/edit.h"

namespace emend {

// Whether the responses of a weight depend on one another, so that they are solved again when a fact goes or
// comes. If not, each answers its own key, and facts can be taken out and put in row by row.
inline bool is_joint(const WeightSolve& solve) {
  return solve.rule != SolveRule::kEachAlone;
}

// Throws Error(kModel) if the weight was trained, and, saying what is missing, if the patch does not hold
// what its rule needs: lambda for least squares, and for the null space lambda, its threshold and the
// statistics of C.
void require_solvable(const WeightSolve& solve);

// Whether C enters that solve.
inline bool needs_moments(const WeightSolve& solve) {
  return is_joint(solve) && !solve.statistics_fingerprint.empty();
}

// How the weight is solved for so many groups of facts, each of one key: by equality for one and by least
// squares for more where lambda_of_several says so, else as it is.
WeightSolve solve_for(WeightSolve solve, std::size_t groups);

// The facts that a weight was edited for.
std::vector<FactRecord*> edited_at(Edit& edit, const WeightRef& weight);
std::vector<const FactRecord*> edited_at(const Edit& edit, const WeightRef& weight);

// What the fact writes to the weight, for which it was edited.
FactPart& part_of(FactRecord& fact, const WeightRef& weight);

// Solves the weight for these facts; those of one key share a row. Fills the norms and rows of their parts,
// and rule and lambda of `solve`, which may change with the number of facts (solve_for).
// `C` is undefined for C = I. A key that several facts hold counts once (join_constraints). Throws
// Error(kConfig) for keys that can hardly be told apart, Error(kModel) as require_solvable does,
// Error(kNumeric).
WeightChange solve_again(WeightSolve& solve, const std::vector<FactRecord*>& facts, const at::Tensor& C);

// The same from the moments of all layers. Throws Error(kConfig) when those of this layer are needed and
// missing.
WeightChange solve_again(WeightSolve& solve, const std::vector<FactRecord*>& facts,
                         const std::map<int, at::Tensor>& moments);

}  // namespace emend
