#include "report/junit.h"

#include <gtest/gtest.h>

namespace emend {
namespace {

TEST(Junit, WritesSuitesCasesAndCounts) {
  JunitCase failed{"check <drift>", "2 > 1 & \"more\"", false, ""};
  JunitCase skipped{"edit b", std::nullopt, true, ""};
  JunitCase good{"edit a", std::nullopt, false, "p(target) 0.1 -> 0.9"};
  EXPECT_EQ(junit_xml({{"a.safetensors", {good, failed, skipped}}, {"empty", {}}}),
            R"(<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="emend" tests="3" failures="1" errors="0" skipped="1">
  <testsuite name="a.safetensors" tests="3" failures="1" errors="0" skipped="1">
    <testcase classname="a.safetensors" name="edit a">
      <system-out>p(target) 0.1 -&gt; 0.9</system-out>
    </testcase>
    <testcase classname="a.safetensors" name="check &lt;drift&gt;">
      <failure message="2 &gt; 1 &amp; &quot;more&quot;"/>
    </testcase>
    <testcase classname="a.safetensors" name="edit b">
      <skipped/>
    </testcase>
  </testsuite>
  <testsuite name="empty" tests="0" failures="0" errors="0" skipped="0">
  </testsuite>
</testsuites>
)");
}

}  // namespace
}  // namespace emend
