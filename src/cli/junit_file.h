// --junit FILE: facts and checks as JUnit XML.
#pragma once

#include <string>
#include <vector>

#include "cli/console.h"
#include "cli/fact_report.h"
#include "report/junit.h"

namespace emend {

// One case for each fact and each check. A fact fails when its status says so, or when its target is not what
// the model answers.
JunitSuite junit_suite(const std::string& name, const std::vector<FactRecord>& facts,
                       const std::vector<CheckResult>& checks);

// A further case: `why` is what failed.
JunitCase junit_case(const std::string& name, bool passed, const std::string& why);

// Throws as Console does for --json. An empty `file` is none; so are the next two.
void require_junit_writable(const std::string& file, const CommonOptions& common, const OtherFiles& others);

// The whole file or nothing.
void write_junit(const std::string& file, const std::vector<JunitSuite>& suites);

}  // namespace emend
