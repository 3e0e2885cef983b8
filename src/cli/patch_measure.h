// What patches say of themselves, measured again: shared by `patch verify`, `patch apply` and the commands
// that make patches of patches.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/console.h"
#include "emend/checks.h"
#include "emend/patch.h"

namespace emend {

std::vector<EditRequest> requests_of(const Patch& patch);

// Which of them were true before the edit.
std::vector<bool> skipped_of(const Patch& patch);

// All of `patches`, in the order of `files`.
std::vector<Patch> load_patches(const std::vector<std::string>& files);

// Throws Error(kModel) for the first patch that is marked as failed; with `force` only warns.
void require_passed(const std::vector<Patch>& patches, const std::vector<std::string>& files, bool force,
                    Console& console);

// Throws Error(kModel) when two patches write the same key: the later one would add to the earlier one. With
// `force` only warns.
void require_no_overlap(const std::vector<Patch>& patches, const std::vector<std::string>& files, bool force,
                        Console& console);

// The changes of all patches, in their order.
std::vector<WeightChange> changes_of(const std::vector<Patch>& patches);

// The facts of a patch on a model as it is now.
std::vector<FactState> measure_patch(const Model& model, const Patch& patch, const CommonOptions& common,
                                     Console& console);

// Mean nll of the patch's held text; nothing when it has none.
std::optional<double> held_nll(const Model& model, const Patch& patch, const CommonOptions& common);

// The four checks on what was measured after; `nll_before` and `nll_after` are those of the held text.
std::vector<CheckResult> checks_of(const Patch& patch, const std::vector<FactState>& after,
                                   const std::optional<double>& nll_before,
                                   const std::optional<double>& nll_after);

// How far p(target) of the prompts lies from what the patch stored, at most. Nothing when it stores no
// states.
std::optional<double> largest_difference(const std::vector<FactState>& stored,
                                         const std::vector<FactState>& now);

// Does the change do to every stored key what its fact says: B (A k) = y r?
CheckResult check_update(const Patch& patch);

std::string difference_text(const std::optional<double>& difference);
ResultJson difference_json(const std::optional<double>& difference);

}  // namespace emend
