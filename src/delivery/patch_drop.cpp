#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "base/nearest.h"
#include "base/strings.h"
#include "delivery/solve_again.h"
#include "emend/error.h"
#include "emend/patch_algebra.h"

namespace emend {
namespace {

std::size_t find_fact(const Patch& patch, const std::string& id) {
  std::vector<std::string> known;
  for (std::size_t i = 0; i < patch.edit.facts.size(); ++i) {
    if (patch.edit.facts[i].request.id == id) return i;
    known.push_back(patch.edit.facts[i].request.id);
  }
  throw Error(ErrorKind::kConfig, "the patch has no edit " + quote(id) + did_you_mean(id, known));
}

void require_droppable(const Patch& patch, const EditedFact& fact) {
  std::size_t edited = 0;
  for (const EditedFact& other : patch.edit.facts) {
    if (other.status != "edited") continue;
    ++edited;
    if (&other == &fact || fact.status != "edited" || other.layer != fact.layer) continue;
    if (at::equal(other.keys, fact.keys))
      throw Error(ErrorKind::kConfig, quote(fact.request.id) +
                                          " has its key and its residual in common with " +
                                          quote(other.request.id) +
                                          " (one subject): it cannot be taken out without a new search; edit "
                                          "again without it");
  }
  if (fact.status == "edited" && edited == 1)
    throw Error(ErrorKind::kConfig,
                quote(fact.request.id) + " is the only edit of this patch: nothing would be left");
}

// The change without the row of a fact that answers for itself alone.
WeightChange without_row(const WeightChange& change, std::int64_t row) {
  std::vector<std::int64_t> kept;
  for (std::int64_t i = 0; i < change.A.size(0); ++i)
    if (i != row) kept.push_back(i);
  const at::Tensor index = at::tensor(kept, at::kLong);
  return {change.block, change.A.index_select(0, index), change.B.index_select(1, index)};
}

at::Tensor moments_of(const LayerMoments& moments, const Edit& edit, int layer) {
  if (!uses_moments(edit)) return {};
  const auto found = moments.find(layer);
  if (found == moments.end())
    throw Error(ErrorKind::kConfig, "the statistics of layer " + std::to_string(layer) + " are needed");
  return found->second;
}

}  // namespace

std::vector<int> layers_to_solve(const Patch& patch, const std::string& id) {
  const EditedFact& fact = patch.edit.facts[find_fact(patch, id)];
  require_droppable(patch, fact);
  if (fact.status != "edited" || !is_joint_solution(patch.edit) || !uses_moments(patch.edit)) return {};
  const bool alone =
      std::none_of(patch.edit.facts.begin(), patch.edit.facts.end(), [&](const EditedFact& other) {
        return &other != &fact && other.status == "edited" && other.layer == fact.layer;
      });
  return alone ? std::vector<int>{} : std::vector<int>{fact.layer};
}

Patch drop_fact(const Patch& patch, const std::string& id, const LayerMoments& moments) {
  const c10::NoGradGuard no_grad;
  const std::size_t index = find_fact(patch, id);
  require_droppable(patch, patch.edit.facts[index]);
  const EditedFact dropped = patch.edit.facts[index];
  Patch result = patch;
  result.edit.facts.erase(result.edit.facts.begin() + static_cast<std::ptrdiff_t>(index));
  if (!result.before.empty()) result.before.erase(result.before.begin() + static_cast<std::ptrdiff_t>(index));
  result.after.clear();
  result.checks.clear();
  result.passed = false;
  result.edit.warnings.push_back("the edit " + quote(id) + " was taken out of this patch");
  if (dropped.status != "edited") return result;
  std::vector<EditedFact*> kept;
  for (EditedFact& fact : result.edit.facts)
    if (fact.status == "edited" && fact.layer == dropped.layer) kept.push_back(&fact);
  auto& changes = result.edit.changes;
  const auto change = std::find_if(changes.begin(), changes.end(),
                                   [&](const WeightChange& one) { return one.block == dropped.layer; });
  if (kept.empty())
    changes.erase(change);
  else if (is_joint_solution(patch.edit))
    *change = solve_again(dropped.layer, kept, moments_of(moments, patch.edit, dropped.layer),
                          ridge_of(patch.edit));
  else
    *change = without_row(*change, own_row(change->B, dropped.residual));
  return result;
}

}  // namespace emend
