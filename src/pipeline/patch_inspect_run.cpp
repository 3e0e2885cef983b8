#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>

#include "base/files.h"
#include "emend/adapter.h"
#include "emend/error.h"
#include "emend/patch_run.h"
#include "pipeline/patch_checks.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

// From here on a patch counts as contained.
constexpr double kContained = 0.5;

// The prompts' states; std::nullopt and a warning for a patch that asks what this model cannot be asked: ids
// that its vocabulary does not have, a chat template, rows beyond its positions.
std::optional<std::vector<FactState>> measure_if_possible(const Model& model, const NamedPatch& named,
                                                          std::int64_t token_budget,
                                                          std::vector<std::string>& warnings,
                                                          Progress& progress) {
  try {
    require_sizes(named.patch, model, named.name);
    return measure_patch(model, named.patch, token_budget, progress);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kInterrupted) throw;
    warnings.push_back(fmt::format("{}: its facts are not asked: {}", named.name, error.what()));
    return std::nullopt;
  }
}

// How many facts the model answers as after the edit: p(target) is nearer to what the patch measured then
// than to what it measured before.
void judge_by_behaviour(const Model& model, const NamedPatch& named, std::int64_t token_budget,
                        PatchVerdict& verdict, std::vector<std::string>& warnings, Progress& progress) {
  const std::vector<FactState> before = stored_before(named.patch), after = stored_after(named.patch);
  if (!model.has_tokenizer() || before.empty() || after.empty()) return;
  const auto now = measure_if_possible(model, named, token_budget, warnings, progress);
  if (!now) return;
  verdict.as_edited = 0;
  for (std::size_t i = 0; i < now->size(); ++i) {
    if (!named.patch.edit.facts[i].is_edited()) continue;
    const double p = (*now)[i].prompt.p_target;
    ++verdict.asked;
    if (std::abs(p - after[i].prompt.p_target) < std::abs(p - before[i].prompt.p_target))
      ++*verdict.as_edited;
  }
}

// What the weights say of the patches of this base.
void judge_by_weights(const CheckpointRoles& checkpoint, const CheckpointRoles& base,
                      const std::vector<NamedPatch>& patches, InspectDirections directions,
                      InspectOutcome& outcome, Progress& progress) {
  std::vector<Patch> of_base;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < patches.size(); ++i) {
    if (patches[i].patch.edit.base_fingerprint != *outcome.base_fingerprint) {
      if (outcome.patches[i].presence != PatchPresence::kIsItsBase)
        outcome.patches[i].presence = PatchPresence::kOtherBase;
      continue;
    }
    places.push_back(i);
    of_base.push_back(patches[i].patch);
  }
  outcome.weights = inspect(checkpoint, base, of_base, progress, directions);
  for (const PatchShare& share : outcome.weights.patches) {
    PatchVerdict& verdict = outcome.patches[places[share.patch]];
    verdict.share = share.share;
    verdict.presence = share.share >= kContained ? PatchPresence::kContained : PatchPresence::kNotContained;
  }
}

}  // namespace

std::vector<NamedPatch> find_patches(const fs::path& place, std::vector<std::string>& warnings) {
  std::vector<fs::path> files;
  if (place.empty()) return {};
  if (!fs::exists(place)) throw io_error("read", place, ENOENT);
  if (fs::is_directory(place)) {
    for (const fs::directory_entry& entry : fs::directory_iterator(place))
      if (entry.is_regular_file() && entry.path().extension() == ".safetensors")
        files.push_back(entry.path());
  } else {
    files.push_back(place);
  }
  std::sort(files.begin(), files.end());
  std::vector<NamedPatch> patches;
  for (const fs::path& file : files) {
    try {
      patches.push_back({file.string(), load_patch(file)});
    } catch (const Error& error) {
      if (!fs::is_directory(place)) throw;
      warnings.push_back(std::string("passed over: ") + error.what());
    }
  }
  return patches;
}

InspectBase load_inspect_base(const fs::path& base, const ModelOptions& how,
                              const std::vector<NamedPatch>& patches, Progress& progress) {
  const Model model = Model::load(base, how, progress);
  progress.poll();
  const std::string fingerprint = model.fingerprint();
  for (const NamedPatch& named : patches)
    if (named.patch.edit.base_fingerprint == fingerprint) require_sizes(named.patch, model, named.name);
  return {{base, model.roles()}, fingerprint};
}

InspectOutcome inspect_checkpoint(const Model& model, const std::optional<InspectBase>& base,
                                  const std::vector<NamedPatch>& patches, std::int64_t token_budget,
                                  Progress& progress, InspectDirections directions) {
  InspectOutcome outcome;
  for (const NamedPatch& named : patches) {
    PatchVerdict verdict;
    verdict.name = named.name;
    verdict.edits = named.patch.edit.facts.size();
    verdict.subjects = subjects_of({named.patch});
    if (named.patch.edit.base_fingerprint == model.fingerprint())
      verdict.presence = PatchPresence::kIsItsBase;
    outcome.patches.push_back(std::move(verdict));
  }
  if (base) {
    outcome.base = base->checkpoint.path;
    outcome.base_fingerprint = base->fingerprint;
    judge_by_weights({model.path(), model.roles()}, base->checkpoint, patches, directions, outcome, progress);
  }
  for (std::size_t i = 0; i < patches.size(); ++i) {
    progress.poll();
    judge_by_behaviour(model, patches[i], token_budget, outcome.patches[i], outcome.warnings, progress);
  }
  return outcome;
}

}  // namespace emend
