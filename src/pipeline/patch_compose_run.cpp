#include <fmt/format.h>

#include "base/strings.h"
#include "emend/edit_run.h"
#include "emend/error.h"
#include "emend/patch_algebra.h"
#include "emend/patch_run.h"
#include "emend/statistics.h"
#include "emend/version.h"
#include "pipeline/patch_checks.h"
#include "report/numbers.h"

namespace emend {
namespace {

constexpr double kParallel = 0.95;  // cosine of two patches' keys that is worth a warning

// Of the first patch that changes the layer; merge_patches refuses others that differ.
std::string statistics_of(const std::vector<NamedPatch>& patches, int layer) {
  for (const NamedPatch& named : patches)
    if (const WeightSolve* const solve = named.patch.edit.solve_of({layer, Role::kMlpDown}))
      return solve->statistics_fingerprint;
  return "";
}

// C of the layers that are solved again.
LayerMoments load_moments(const Model& model, const std::vector<NamedPatch>& patches,
                          const std::vector<int>& layers, const std::filesystem::path& given) {
  const std::vector<std::int64_t>& prefix = patches.front().patch.prefix;
  const std::filesystem::path folder = given.empty() ? default_statistics_folder(model, prefix) : given;
  LayerMoments moments;
  for (const int layer : layers) {
    const Statistics statistics = load_statistics(model, {layer}, prefix, folder);
    if (statistics.layers.empty())
      throw Error(ErrorKind::kIo, fmt::format("no statistics of layer {} in {}: the other edits are solved "
                                              "again with them; name their folder with the option statistics",
                                              layer, folder.string()));
    const std::string made_with = statistics_of(patches, layer);
    if (statistics.fingerprint != made_with)
      throw Error(ErrorKind::kModel, fmt::format("{}: these statistics of layer {} (fingerprint {}) are "
                                                 "not those that the patch was made with ({})",
                                                 folder.string(), layer, statistics.fingerprint, made_with));
    moments[layer] = statistics.layers.at(layer).C;
  }
  return moments;
}

// Measures a new patch on its base, as run_edit does.
void measure(Model& model, ComposeOutcome& outcome, std::int64_t token_budget, Progress& progress) {
  Patch& patch = outcome.patch;
  patch.emend_version = emend_version();
  if (stored_before(patch).empty()) {
    set_before(patch.edit, measure_patch(model, patch, token_budget, progress));
    patch.conditions.dtype = to_string(model.compute_type());  // all that it stores is measured here
  }
  const std::optional<double> before = held_nll(model, patch, token_budget);
  const ScopedEdit scope(model, patch.edit.changes);
  const std::vector<FactState> after = measure_patch(model, patch, token_budget, progress);
  set_after(patch.edit, after);
  patch.checks = checks_of(patch, after, before, held_nll(model, patch, token_budget));
  outcome.checks = patch.checks;
  outcome.checks.push_back(check_update(patch));
  patch.passed = all_passed(outcome.checks) && failed_ids(patch.edit).empty();
  outcome.passed = patch.passed;
}

}  // namespace

ComposeOutcome drop_edit(Model& model, const NamedPatch& patch, const std::string& id,
                         const ComposeOptions& options, Progress& progress) {
  require_base(patch.patch, model, patch.name);
  const std::vector<int> layers = layers_to_solve(patch.patch, id);
  ComposeOutcome outcome;
  outcome.patch = drop_fact(patch.patch, id, load_moments(model, {patch}, layers, options.statistics));
  measure(model, outcome, options.token_budget, progress);
  return outcome;
}

ComposeOutcome merge_edits(Model& model, const std::vector<NamedPatch>& patches,
                           const ComposeOptions& options, Progress& progress) {
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
  const LayerMoments moments = load_moments(model, patches, layers_to_solve(plain), options.statistics);
  outcome.patch = merge_patches(plain, names, moments);
  measure(model, outcome, options.token_budget, progress);
  return outcome;
}

}  // namespace emend
