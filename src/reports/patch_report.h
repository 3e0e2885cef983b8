// What patches say of themselves, how two differ (emend/patch_algebra.h), and what the runs over them found
// (emend/patch_run.h): for people, as JSON and as JUnit.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "emend/patch.h"
#include "emend/patch_algebra.h"
#include "emend/patch_run.h"
#include "report/junit.h"

namespace emend {

// Facts, checks, and what the patch was made with.
std::string patch_text(const Patch& patch, std::size_t columns);
// `file`: where it lies; left out if it is empty.
ResultJson patch_json(const Patch& patch, const std::filesystem::path& file);

std::string difference_text(const PatchDifference& difference, std::size_t columns);
ResultJson difference_json(const PatchDifference& difference);

// Of one patch: facts, losses, checks, the differences from what it stored, and the verdict.
std::string verified_text(const VerifiedPatch& patch, std::size_t columns);
ResultJson verify_json(const VerifyOutcome& outcome, const Model& model);
std::vector<JunitSuite> verify_suites(const VerifyOutcome& outcome);

// What was written and what arrived at each fact; and the checks on the written file.
std::string written_text(const ApplyOutcome& outcome, std::size_t columns);
std::string checked_text(const ApplyOutcome& outcome, std::size_t columns);
ResultJson apply_json(const ApplyOutcome& outcome);
std::vector<JunitSuite> apply_suites(const ApplyOutcome& outcome);

// The files that a write in place was taken back from.
std::string reverted_text(const std::vector<std::filesystem::path>& restored);

std::string composed_text(const ComposeOutcome& outcome, std::size_t columns);
ResultJson compose_json(const ComposeOutcome& outcome, const Model& model,
                        const std::vector<std::filesystem::path>& outputs);

std::string inspect_text(const InspectOutcome& outcome, std::size_t columns);
ResultJson inspect_json(const InspectOutcome& outcome, const Model& model);

}  // namespace emend
