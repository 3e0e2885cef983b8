#include <algorithm>
#include <cmath>
#include <limits>

#include "emend/patch_run.h"
#include "pipeline/patch_checks.h"

namespace emend {
namespace {

// How far p(target) of a prompt may lie from what the patch stored: the same weights on another machine or
// with other threads differ by rounding only; weights in 16 bits by more.
constexpr double kTolerance = 0.02;
constexpr double kHalfTolerance = 0.1;

// Of the two sides the less exact one counts. What is not recorded counts as float32.
double tolerance_of(const Model& model, const Patch& patch) {
  const auto is_half = [](ComputeType type) { return type != ComputeType::kFloat32; };
  const bool half =
      is_half(model.compute_type()) || is_half(patch.conditions.dtype.value_or(ComputeType::kFloat32));
  return half ? kHalfTolerance : kTolerance;
}

// The model as it is now has all `count` patches on it.
VerifiedPatch measure(const Model& model, const NamedPatch& named, std::size_t count,
                      const std::vector<FactState>& before, const std::optional<double>& base_nll,
                      std::int64_t token_budget, Progress& progress) {
  const Patch& patch = named.patch;
  VerifiedPatch result;
  result.name = named.name;
  const std::vector<FactState> after = measure_patch(model, patch, token_budget, progress);
  result.facts = with_states(patch, before, after);
  result.checks = checks_of(patch, before, after, base_nll, held_nll(model, patch, token_budget));
  result.checks.push_back(check_update(patch));
  result.update_not_checked = solves_without_update_check(patch);
  result.difference_before = largest_difference(stored_before(patch), before);
  result.difference_after = largest_difference(stored_after(patch), after);
  const double tolerance = tolerance_of(model, patch);
  result.reproduced = result.difference_before.value_or(0) <= tolerance;
  // Among others a patch need not give what it gave alone.
  if (count == 1) result.reproduced = result.reproduced && result.difference_after.value_or(0) <= tolerance;
  result.passed = result.reproduced && passes(patch.edit, result.checks);
  return result;
}

}  // namespace

VerifyOutcome verify_patches(Model& model, const std::vector<NamedPatch>& patches,
                             const VerifyOptions& options, Progress& progress) {
  for (const NamedPatch& named : patches) require_base(named.patch, model, named.name);
  std::vector<std::vector<FactState>> before;
  std::vector<std::optional<double>> base_nll;
  for (const NamedPatch& named : patches) {
    before.push_back(measure_patch(model, named.patch, options.token_budget, progress));
    base_nll.push_back(held_nll(model, named.patch, options.token_budget));
  }
  const ScopedEdit scope(model, changes_of(patches));
  VerifyOutcome outcome;
  outcome.warnings = overlaps_among(patches);
  for (std::size_t i = 0; i < patches.size(); ++i)
    outcome.patches.push_back(
        measure(model, patches[i], patches.size(), before[i], base_nll[i], options.token_budget, progress));
  outcome.passed = std::all_of(outcome.patches.begin(), outcome.patches.end(),
                               [](const VerifiedPatch& one) { return one.passed; });
  return outcome;
}

}  // namespace emend
