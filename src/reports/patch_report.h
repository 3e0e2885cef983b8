// What the runs over patches found (emend/patch_run.h), for people, as JSON and as JUnit.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/json.h"
#include "emend/patch_run.h"
#include "report/junit.h"

namespace emend {

// Of one patch: facts, losses, checks, the differences from what it stored, and the verdict.
std::string verified_text(const VerifiedPatch& patch, std::size_t columns);
ResultJson verify_json(const VerifyOutcome& outcome, const Model& model);
std::vector<JunitSuite> verify_suites(const VerifyOutcome& outcome);

// What was written and what arrived at each fact; and the checks on the written file.
std::string written_text(const ApplyOutcome& outcome, std::size_t columns);
std::string checked_text(const ApplyOutcome& outcome, std::size_t columns);
// `base`: as the caller named it.
ResultJson apply_json(const ApplyOutcome& outcome, const std::string& base);
std::vector<JunitSuite> apply_suites(const ApplyOutcome& outcome);

std::string composed_text(const ComposeOutcome& outcome, const std::string& file, std::size_t columns);
ResultJson compose_json(const ComposeOutcome& outcome, const Model& model, const std::string& file);

std::string inspect_text(const InspectOutcome& outcome, std::size_t columns);
ResultJson inspect_json(const InspectOutcome& outcome, const Model& model, const std::string& base);

}  // namespace emend
