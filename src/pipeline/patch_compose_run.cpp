#include <fmt/format.h>

#include "base/strings.h"
#include "emend/error.h"
#include "emend/patch_algebra.h"
#include "emend/patch_run.h"
#include "emend/version.h"
#include "pipeline/patch_checks.h"
#include "pipeline/patch_moments.h"
#include "report/numbers.h"

namespace emend {
namespace {

constexpr double kParallel = 0.95;  // cosine of two patches' keys that is worth a warning

// Measures a new patch on its base, as run_edit does.
void measure(Model& model, ComposeOutcome& outcome, std::int64_t token_budget, Progress& progress) {
  Patch& patch = outcome.patch;
  patch.emend_version = emend_version();
  // Numbers of two types do not compare: what was measured before in another one is measured again.
  const ComputeType dtype = model.compute_type();
  if (stored_before(patch).empty() || patch.conditions.dtype != dtype)
    set_before(patch.edit, measure_patch(model, patch, token_budget, progress));
  patch.conditions.dtype = dtype;
  const std::optional<double> before = held_nll(model, patch, token_budget);
  const ScopedEdit scope(model, patch.edit.changes);
  const std::vector<FactState> after = measure_patch(model, patch, token_budget, progress);
  set_after(patch.edit, after);
  patch.checks = checks_of(patch, stored_before(patch), after, before, held_nll(model, patch, token_budget));
  outcome.checks = patch.checks;
  outcome.checks.push_back(check_update(patch));
  patch.passed = passes(patch.edit, outcome.checks);
  outcome.passed = patch.passed;
}

}  // namespace

ComposeOutcome drop_edit(Model& model, const NamedPatch& patch, const std::string& id,
                         const ComposeOptions& options, Progress& progress) {
  require_base(patch.patch, model, patch.name);
  const std::vector<int> layers = layers_to_solve(patch.patch, id);
  ComposeOutcome outcome;
  outcome.patch =
      drop_fact(patch.patch, id, moments_to_solve(model, {patch}, layers, options.statistics, progress));
  measure(model, outcome, options.token_budget, progress);
  return outcome;
}

ComposeOutcome merge_edits(Model& model, const std::vector<NamedPatch>& patches,
                           const ComposeOptions& options, Progress& progress) {
  if (patches.empty()) throw Error(ErrorKind::kUsage, "no patches are given to merge");
  std::vector<Patch> plain;
  std::vector<std::string> names;
  for (const NamedPatch& named : patches) {
    require_base(named.patch, model, named.name);
    plain.push_back(named.patch);
    names.push_back(named.name);
  }
  ComposeOutcome outcome;
  for (const KeyConflict& conflict : key_conflicts(plain, kParallel))
    if (conflict.cosine < kSameKey)
      outcome.warnings.push_back(fmt::format(
          "{} and {} have keys of cosine {} at layer {}: the joint update is large", quote(conflict.first_id),
          quote(conflict.second_id), number_text(conflict.cosine), conflict.layer));
  const LayerMoments moments =
      moments_to_solve(model, patches, layers_to_solve(plain), options.statistics, progress);
  outcome.patch = merge_patches(plain, names, moments);
  measure(model, outcome, options.token_budget, progress);
  return outcome;
}

}  // namespace emend
