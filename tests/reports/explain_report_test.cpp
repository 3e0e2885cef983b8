// What is told of the cells of a prompt.
#include "reports/explain_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emend {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

ExplainOutcome outcome_of_a_cell() {
  ExplainOutcome outcome;
  outcome.layers.emplace_back();
  outcome.cells.push_back({.cell = {0, 7}, .coefficient = -1});
  return outcome;
}

TEST(ExplainText, ShowsTheBestTriggerAndTheLabelOfACell) {
  ExplainOutcome outcome = outcome_of_a_cell();
  EXPECT_THAT(explain_text(outcome, {}, 100), Not(HasSubstr("best trigger"))) << "without an index";
  outcome.cells[0].triggers = {"by the river", "on the bank"};
  outcome.cells[0].labels = {"water"};
  outcome.cells.push_back(outcome.cells[0]);  // at another token
  const std::string text = explain_text(outcome, {}, 100);
  EXPECT_THAT(text, AllOf(HasSubstr("best trigger"), HasSubstr("L0D7 -"), HasSubstr("\"by the river\""),
                          HasSubstr("water"), Not(HasSubstr("on the bank"))));
  EXPECT_EQ(text.find("by the river"), text.rfind("by the river")) << "once for a cell and its end";
}

TEST(ExplainText, SaysThatAWordIsSeveralTokens) {
  ExplainOutcome outcome = outcome_of_a_cell();
  EXPECT_THAT(explain_text(outcome, {}, 100), Not(HasSubstr("several tokens")));
  outcome.first_tokens_of = {"Zzzq"};
  EXPECT_THAT(explain_text(outcome, {}, 100), HasSubstr("\"Zzzq\" has several tokens; only the first one"));
}

}  // namespace
}  // namespace emend
