#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

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
  throw Error(ErrorKind::kConfig,
              fmt::format("the patch has no edit {}{}", quote(id), did_you_mean(id, known)));
}

bool share_a_row(const FactPart& a, const FactPart& b) {
  return std::find_first_of(a.rows.begin(), a.rows.end(), b.rows.begin(), b.rows.end()) != a.rows.end();
}

// The fact whose key, or row of A, this one shares at a weight; nullptr: there is none.
const FactRecord* sharer_of(const Patch& patch, const FactRecord& fact) {
  for (const FactRecord& other : patch.edit.facts) {
    if (&other == &fact || !other.is_edited()) continue;
    for (const FactPart& part : fact.parts) {
      const FactPart* const theirs = other.part_at(part.weight);
      if (theirs != nullptr && (at::equal(theirs->keys, part.keys) || share_a_row(*theirs, part)))
        return &other;
    }
  }
  return nullptr;
}

void require_droppable(const Patch& patch, const FactRecord& fact) {
  if (!fact.is_edited()) return;
  if (const FactRecord* const other = sharer_of(patch, fact))
    throw Error(ErrorKind::kConfig,
                fmt::format("{} has its key and its residual in common with {} (one subject): it cannot be "
                            "taken out without a new search; edit again without it",
                            quote(fact.request.id), quote(other->request.id)));
  const auto edited = std::count_if(patch.edit.facts.begin(), patch.edit.facts.end(),
                                    [](const FactRecord& other) { return other.is_edited(); });
  if (edited == 1)
    throw Error(ErrorKind::kConfig,
                quote(fact.request.id) + " is the only edit of this patch: nothing would be left");
}

// The change without the rows of a fact that answers for itself alone; what the others' rows are called
// follows.
void take_out_rows(WeightChange& change, const std::vector<std::int64_t>& rows,
                   const std::vector<FactRecord*>& others) {
  if (change.is_dense() || rows.empty())
    throw Error(
        ErrorKind::kModel,
        fmt::format(
            "the change of the {} does not say which of its rows carry the edit: it cannot be taken out",
            weight_name(change.weight)));
  const std::set<std::int64_t> gone(rows.begin(), rows.end());
  std::vector<std::int64_t> kept, new_place(static_cast<std::size_t>(change.A.size(0)));
  for (std::int64_t i = 0; i < change.A.size(0); ++i) {
    new_place[static_cast<std::size_t>(i)] = static_cast<std::int64_t>(kept.size());
    if (!gone.contains(i)) kept.push_back(i);
  }
  const at::Tensor index = at::tensor(kept, at::kLong);
  change =
      WeightChange::low_rank(change.weight, change.A.index_select(0, index), change.B.index_select(1, index));
  for (FactRecord* const fact : others)
    for (FactPart& part : fact->parts)
      if (part.weight == change.weight)
        for (std::int64_t& row : part.rows) row = new_place[static_cast<std::size_t>(row)];
}

// One weight without what `dropped` wrote there; the fact is out of the list already.
void take_out(Edit& edit, const FactPart& dropped, const LayerMoments& moments) {
  const auto at = [&](auto& list) {
    return std::find_if(list.begin(), list.end(),
                        [&](const auto& one) { return one.weight == dropped.weight; });
  };
  const auto change = at(edit.changes);
  const auto solve = at(edit.solves);
  const std::vector<FactRecord*> kept = edited_at(edit, dropped.weight);
  if (kept.empty()) {
    edit.changes.erase(change);
    edit.solves.erase(solve);
  } else if (is_joint(*solve)) {
    *change = solve_again(*solve, kept, moments);
  } else {
    take_out_rows(*change, dropped.rows, kept);
  }
}

}  // namespace

std::vector<int> layers_to_solve(const Patch& patch, const std::string& id) {
  const FactRecord& fact = patch.edit.facts[find_fact(patch, id)];
  require_droppable(patch, fact);
  std::vector<int> layers;
  if (!fact.is_edited()) return layers;
  for (const FactPart& part : fact.parts) {
    if (edited_at(patch.edit, part.weight).size() == 1) continue;
    const WeightSolve& solve = *patch.edit.solve_of(part.weight);
    require_solvable(solve);
    if (needs_moments(solve)) layers.push_back(part.weight.block);
  }
  return layers;
}

Patch drop_fact(const Patch& patch, const std::string& id, const LayerMoments& moments) {
  const c10::NoGradGuard no_grad;
  const std::size_t index = find_fact(patch, id);
  require_droppable(patch, patch.edit.facts[index]);
  const FactRecord dropped = patch.edit.facts[index];
  Patch result = patch;
  result.edit.facts.erase(result.edit.facts.begin() + static_cast<std::ptrdiff_t>(index));
  for (FactRecord& fact : result.edit.facts) fact.after.reset();
  result.checks.clear();
  result.passed = false;
  std::erase_if(result.edit.warnings,
                [&](const std::string& warning) { return warning.starts_with("edit " + id + ": "); });
  result.edit.warnings.push_back(fmt::format("the edit {} was taken out of this patch", quote(id)));
  if (dropped.is_edited())
    for (const FactPart& part : dropped.parts) take_out(result.edit, part, moments);
  return result;
}

}  // namespace emend
