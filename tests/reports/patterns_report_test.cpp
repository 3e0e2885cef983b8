// What is told of patterns over layers.
#include "reports/patterns_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emend {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

PatternsOutcome outcome_with(const PatternTransition& transition) {
  PatternsOutcome outcome;
  for (int l = 0; l < 9; ++l) {
    LayerPatterns layer;
    layer.layer = l;
    layer.cells = 1;
    outcome.layers.push_back(layer);
  }
  outcome.transition = transition;
  return outcome;
}

TEST(PatternsText, TellsATransitionOnlyBetweenTheLayers) {
  const auto text_of = [](const PatternTransition& fit) { return patterns_text(outcome_with(fit), {}, 100); };
  EXPECT_THAT(text_of({0.1, 0.4, 5, 2}), HasSubstr("middle 5"));
  for (const PatternTransition& fit : {PatternTransition{0.03, 0, 8, 1}, PatternTransition{0.03, 0.03, 5, 1}})
    EXPECT_THAT(text_of(fit), AllOf(HasSubstr("no transition"), Not(HasSubstr("middle"))));
}

TEST(PatternsText, CountsAnnotationsOfOtherCells) {
  PatternsOutcome outcome = outcome_with({0.1, 0.4, 5, 2});
  outcome.annotators.push_back({"emend", "ada"});
  outcome.annotations_elsewhere = 3;
  EXPECT_THAT(patterns_text(outcome, {}, 100), HasSubstr("Not compared: 3 rows of the annotations"));
}

}  // namespace
}  // namespace emend
