// What the commands that take patches share: reading them, refusing them, holding them to what they store.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/console.h"
#include "emend/checks.h"
#include "emend/patch.h"

namespace emend {

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

// How far p(target) of the prompts lies from what the patch stored, at most. Nothing when it stores no
// states.
std::optional<double> largest_difference(const std::vector<FactState>& stored,
                                         const std::vector<FactState>& now);

// Does the change do to every stored key what its fact says: B (A k) = y r?
CheckResult check_update(const Patch& patch);

std::string difference_text(const std::optional<double>& difference);
ResultJson difference_json(const std::optional<double>& difference);

}  // namespace emend
