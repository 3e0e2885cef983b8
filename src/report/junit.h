// Results as JUnit XML, the form that CI systems read. No times: the same results give the same file.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace emend {

struct JunitCase {
  std::string name;
  std::optional<std::string> failure;  // why it failed
  bool skipped = false;                // not measured, or nothing to do
  std::string output;                  // what was measured; may be empty
};

// Cases of one file; their class name is the suite's name.
struct JunitSuite {
  std::string name;
  std::vector<JunitCase> cases;
};

std::string junit_xml(const std::vector<JunitSuite>& suites);

}  // namespace emend
