// What is told of cells that were set.
#include "reports/memory_set_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emend {
namespace {

using testing::HasSubstr;
using testing::Not;

// Two tokens of a prompt, and one behind it.
TEST(MemorySetText, SaysWhichSettingsWereNotReached) {
  SetOutcome outcome;
  outcome.ids = {3, 4};
  outcome.unchanged.completion = outcome.changed.completion = {5};
  for (const char* text : {"L0D1=off@2", "L0D2=off@5,7", "L0D3=off@generated"})
    outcome.settings.push_back({parse_memory_setting(text)});
  const std::string text = memory_set_text(outcome, {}, 100);
  EXPECT_THAT(text, HasSubstr("L0D2=off@5,7 changed nothing: the texts end with position 2."));
  EXPECT_THAT(text, Not(HasSubstr("L0D1=off@2 changed nothing")));
  EXPECT_THAT(text, Not(HasSubstr("L0D3=off@generated changed nothing")));
  outcome.unchanged.completion.clear();
  outcome.changed.completion.clear();
  EXPECT_THAT(memory_set_text(outcome, {}, 100), HasSubstr("L0D3=off@generated changed nothing"));
}

}  // namespace
}  // namespace emend
