#include "report/junit.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/html.h"

namespace emend {
namespace {

std::string attribute(const std::string& name, const std::string& value) {
  return fmt::format(R"( {}="{}")", name, escape_html(value));
}

std::string counts(std::size_t tests, std::size_t failures, std::size_t skipped) {
  return fmt::format(R"( tests="{}" failures="{}" errors="0" skipped="{}")", tests, failures, skipped);
}

std::size_t failures_of(const JunitSuite& suite) {
  return static_cast<std::size_t>(std::count_if(
      suite.cases.begin(), suite.cases.end(), [](const JunitCase& one) { return one.failure.has_value(); }));
}

std::size_t skipped_of(const JunitSuite& suite) {
  return static_cast<std::size_t>(std::count_if(suite.cases.begin(), suite.cases.end(),
                                                [](const JunitCase& one) { return one.skipped; }));
}

std::string case_xml(const JunitCase& one, const std::string& suite) {
  std::string xml = "    <testcase" + attribute("classname", suite) + attribute("name", one.name);
  std::string inside;
  if (one.failure) inside += "      <failure" + attribute("message", *one.failure) + "/>\n";
  if (one.skipped) inside += "      <skipped/>\n";
  if (!one.output.empty()) inside += "      <system-out>" + escape_html(one.output) + "</system-out>\n";
  return xml + (inside.empty() ? "/>\n" : ">\n" + inside + "    </testcase>\n");
}

std::string suite_xml(const JunitSuite& suite) {
  std::string xml = "  <testsuite" + attribute("name", suite.name) +
                    counts(suite.cases.size(), failures_of(suite), skipped_of(suite)) + ">\n";
  for (const JunitCase& one : suite.cases) xml += case_xml(one, suite.name);
  return xml + "  </testsuite>\n";
}

}  // namespace

std::string junit_xml(const std::vector<JunitSuite>& suites) {
  std::size_t tests = 0, failures = 0, skipped = 0;
  std::string inside;
  for (const JunitSuite& suite : suites) {
    tests += suite.cases.size();
    failures += failures_of(suite);
    skipped += skipped_of(suite);
    inside += suite_xml(suite);
  }
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites" + attribute("name", "emend") +
         counts(tests, failures, skipped) + ">\n" + inside + "</testsuites>\n";
}

}  // namespace emend
