// What is done with patches once they exist, as `emend patch` and the C interface do it: verify them on a
// model, write them into a checkpoint and check that, take an edit out, merge them, and find them in a
// checkpoint.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "emend/edited_subjects.h"
#include "emend/inspect.h"
#include "emend/model.h"
#include "emend/patch.h"
#include "emend/progress.h"
#include "emend/write_back.h"

namespace emend {

// A patch and what messages call it: its path, usually.
struct NamedPatch {
  std::string name;
  Patch patch;
};
std::vector<NamedPatch> load_patches(const std::vector<std::filesystem::path>& files);
std::vector<Patch> without_names(const std::vector<NamedPatch>& patches);

// The changes of all patches, in their order.
std::vector<WeightChange> changes_of(const std::vector<NamedPatch>& patches);

// Throws Error(kModel) for a patch of another base. Returns warnings of those that are marked as failed.
std::vector<std::string> require_bases(const std::vector<NamedPatch>& patches, const Model& model);

// As require_bases, of patches that are laid on the model together: also Error(kModel) for two that write the
// same key, whose updates would add up.
std::vector<std::string> require_stack(const std::vector<NamedPatch>& patches, const Model& model);

// A line for each two patches that write the same key, so that their updates add up.
std::vector<std::string> overlaps_among(const std::vector<NamedPatch>& patches);

// A line for each patch of `below` and patch of `above` that write the same key.
std::vector<std::string> overlaps_of(const std::vector<NamedPatch>& below,
                                     const std::vector<NamedPatch>& above);

// Throws Error(kModel) for the first patch that is marked as failed, and for two patches that write the same
// key (their updates would add up). With `force` both are warnings, which are returned.
std::vector<std::string> require_usable(const std::vector<NamedPatch>& patches, bool force);

// Whether the change maps every stored key k to what its fact records: B (A k) = y r. The check is named
// "update"; it is not measured if no weight was solved by a rule that is exact at its keys.
CheckResult check_update(const Patch& patch);

// The weights that check_update cannot look at: of rules that miss their keys by what the second moments say
// (least squares, null space) or that give no keys (trained), and dense changes.
std::vector<WeightSolve> solves_without_update_check(const Patch& patch);

// ---- verify

struct VerifyOptions {
  std::int64_t token_budget = 4096;
};
// One patch, measured again.
struct VerifiedPatch {
  std::string name;
  std::vector<FactRecord> facts;  // with what the model says now, before and after
  std::vector<CheckResult> checks;
  std::vector<WeightSolve> update_not_checked;  // solves_without_update_check
  // Largest difference of p(target) from what the patch stored; std::nullopt if the patch stores no states.
  std::optional<double> difference_before, difference_after;
  bool reproduced = true;  // the differences are within the tolerance
  bool passed = false;
};
struct VerifyOutcome {
  std::vector<VerifiedPatch> patches;
  std::vector<std::string> warnings;  // overlaps_among the patches
  bool passed = false;
};
// Lays the patches on the model in their order, measures every fact and check again and compares with what
// the patches say: within 0.02 of p(target), or 0.1 if the model computes in 16 bits or the patch was
// measured in them. The model is as before afterwards. Throws Error(kModel) for a patch of another base.
VerifyOutcome verify_patches(Model& model, const std::vector<NamedPatch>& patches,
                             const VerifyOptions& options = {}, Progress& progress = no_progress());

// ---- apply

struct ApplyOptions {
  std::filesystem::path out;   // the new checkpoint; not with in_place
  bool in_place = false;       // replace the base's own files
  std::filesystem::path undo;  // of in_place; empty: next_undo_file()
  std::string type;            // as plan_write takes it
  // Second moments C that weight the rounding errors if a quantised type is kept: a folder of statistics,
  // and an importance matrix (GGUF) for the weights and layers that the folder does not have. Both empty: C
  // is the identity.
  std::filesystem::path statistics, imatrix;
  bool force = false;  // also patches that failed or overlap, and types that do not hold the edit
  bool check = true;   // load what was written and repeat the patches' checks
  // Tokens that one pass may hold, >= 1. 0, for apply_patches only: what suits the device of the base.
  std::int64_t token_budget = 4096;
};
struct AppliedPatch {
  std::string name;
  std::vector<FactRecord> facts;  // with what the base said, and what the written file says
  std::vector<CheckResult> checks;
  std::optional<double> difference;  // of p(target) after, from what the patch stored
  bool passed = false;
};
struct ApplyOutcome {
  WritePlan plan;
  std::filesystem::path written;      // what Model::load takes
  std::filesystem::path undo;         // empty unless written in place
  ModelConfig config;                 // of the written model, and its fingerprint; both empty if nothing
  std::string fingerprint;            // was checked
  std::vector<std::string> names;     // of the patches that were written, in their order
  std::vector<AppliedPatch> patches;  // the same, checked; empty if nothing was checked
  std::vector<std::string> warnings;
  std::optional<bool> passed;         // std::nullopt if nothing was checked
  std::vector<std::string> subjects;  // of the patches' edits: whoever has both models can find them out
};

// Everything that is decided before a byte is written. `base` is the model as it was loaded, without the
// patches.
struct PreparedWrite {
  std::vector<NamedPatch> patches;
  WritePlan plan;
  std::vector<std::vector<FactState>> before;  // of each patch's facts on the base; empty without checks
  std::vector<std::optional<double>> base_nll;
  std::vector<std::string> warnings;
};
PreparedWrite prepare_write(const Model& base, std::vector<NamedPatch> patches, const ApplyOptions& options,
                            Progress& progress = no_progress());
// Writes, loads what was written as `how` says, and repeats the checks on it. `options` are those that the
// write was prepared with. Throws Error(kUsage) before anything is written if checks are asked for and it was
// prepared without.
ApplyOutcome finish_write(PreparedWrite prepared, const ModelOptions& how, const ApplyOptions& options,
                          Progress& progress = no_progress());

// prepare_write and finish_write, one after the other. An `out` that cannot be written, and a base that
// cannot be replaced, are refused before the base is loaded, and an error after the writing names what was
// written and the undo file. The base is freed before the written file is loaded, so that only one model is
// in memory. Throws what plan_write, require_holds, write_new and write_in_place throw, and Error(kIo) if the
// folder of statistics lacks a layer and there is no importance matrix; nothing is written then.
ApplyOutcome apply_patches(const std::filesystem::path& base, const ModelOptions& how,
                           std::vector<NamedPatch> patches, const ApplyOptions& options,
                           Progress& progress = no_progress());

// ---- drop, merge

struct ComposeOptions {
  std::filesystem::path statistics;  // folder of C, for layers that are solved again; empty: the default one
  std::int64_t token_budget = 4096;
};
struct ComposeOutcome {
  Patch patch;                      // measured on the model
  std::vector<CheckResult> checks;  // the patch's own, and "update"
  std::vector<std::string> warnings;
  bool passed = false;
};
// The patch without one of its facts, and several patches as one (patch_algebra.h), measured as run_edit
// does. Throws Error(kIo) if statistics are needed and their files do not exist, Error(kModel) if they are
// not those that the patch was made with.
ComposeOutcome drop_edit(Model& model, const NamedPatch& patch, const std::string& id,
                         const ComposeOptions& options = {}, Progress& progress = no_progress());
ComposeOutcome merge_edits(Model& model, const std::vector<NamedPatch>& patches,
                           const ComposeOptions& options = {}, Progress& progress = no_progress());

// ---- inspect

enum class PatchPresence { kContained, kNotContained, kOtherBase, kIsItsBase, kNotCompared };
struct PatchVerdict {
  std::string name;
  std::size_t edits = 0;
  PatchPresence presence = PatchPresence::kNotCompared;
  std::optional<double> share;  // how much of the patch is in the weights: 1 if the whole patch is
  // Facts that the model answers as after the edit, of those asked; std::nullopt if none could be asked.
  std::optional<std::size_t> as_edited;
  std::size_t asked = 0;
  std::vector<std::string> subjects;  // of its edits, each once
};
// What is kept of the checkpoint to compare with, so that only one model at a time is in memory.
struct InspectBase {
  CheckpointRoles checkpoint;
  std::string fingerprint;
};
struct InspectOutcome {
  std::filesystem::path base;                   // empty if there was none
  std::optional<std::string> base_fingerprint;  // of the base
  Inspection weights;
  std::vector<PatchVerdict> patches;
  std::vector<std::string> warnings;
  // Which subjects were edited, where a caller asked (find_edited_subjects).
  std::optional<EditedSubjects> subjects = std::nullopt;
};
// The patches of a folder (or one file), sorted by name. Files that are not patches are left out with a
// warning.
std::vector<NamedPatch> find_patches(const std::filesystem::path& place, std::vector<std::string>& warnings);
// Loads the base and frees it again. Throws Error(kFormat) for a patch of this base that does not fit it.
InspectBase load_inspect_base(const std::filesystem::path& base, const ModelOptions& how,
                              const std::vector<NamedPatch>& patches, Progress& progress = no_progress());
// Inspects a checkpoint. With a base: which weights differ, and which patches are in them. In any case: for
// how many facts it answers as the patches say. Reads the files of both one weight at a time.
// `directions`: kFind for find_edited_subjects.
InspectOutcome inspect_checkpoint(const Model& model, const std::optional<InspectBase>& base,
                                  const std::vector<NamedPatch>& patches, std::int64_t token_budget,
                                  Progress& progress = no_progress(),
                                  InspectDirections directions = InspectDirections::kLeaveOut);

}  // namespace emend
