// --junit FILE: facts and checks as JUnit XML (reports/junit_report.h) in a file.
#pragma once

#include <string>
#include <vector>

#include "cli/console.h"
#include "report/junit.h"

namespace emend {

// Throws as Console does for --json. Without a `file` this and write_junit() do nothing.
void require_junit_writable(const std::string& file, const CommonOptions& common, const OtherFiles& others);

// The whole file or nothing.
void write_junit(const std::string& file, const std::vector<JunitSuite>& suites);

}  // namespace emend
