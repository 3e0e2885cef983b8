// Facts and checks of a patch as JUnit test cases.
#pragma once

#include <string>
#include <vector>

#include "pipeline/result_json.h"
#include "report/junit.h"

namespace emend {

// One case for each fact and each check. A fact fails if its search failed, or if the edit does not hold.
JunitSuite junit_suite(const std::string& name, const std::vector<FactRecord>& facts,
                       const std::vector<CheckResult>& checks);

// A further case: `why` is what failed.
JunitCase junit_case(const std::string& name, bool passed, const std::string& why);

}  // namespace emend
