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

TEST(PatternsText, TellsIntervalsAndWhetherATransitionIsAbrupt) {
  PatternTransition fit = {0.1, 0.4, 5, 1.5};
  fit.change_interval = {0.2, 0.35};
  fit.middle_interval = {4.5, 5.5};
  fit.width_interval = {0.5, 3};
  const PatternsOutcome abrupt = outcome_with(fit);
  EXPECT_THAT(patterns_text(abrupt, {}, 100),
              AllOf(HasSubstr("abrupt from 10.0 % to 40.0 %"), HasSubstr("30.0 % (20.0 % to 35.0 %)"),
                    HasSubstr("middle 5.00 (4.50 to 5.50)"), HasSubstr("1.50 (0.500 to 3.00) layers")));
  const ResultJson json = patterns_json(abrupt, {})["transition"];
  EXPECT_EQ(json["shape"], "abrupt");
  EXPECT_EQ(json["intervals"]["middle"], ResultJson({4.5, 5.5}));
  fit.change_interval = {-0.1, 0.35};
  EXPECT_THAT(
      patterns_text(outcome_with(fit), {}, 100),
      AllOf(HasSubstr("no transition"), HasSubstr("30.0 % (-10.0 % to 35.0 %)"), Not(HasSubstr("middle"))));
  fit.change_interval = {0.2, 0.35};
  fit.width = 4;
  EXPECT_EQ(patterns_json(outcome_with(fit), {})["transition"]["shape"], "smooth");
}

TEST(PatternsText, CountsAnnotationsOfOtherCells) {
  PatternsOutcome outcome = outcome_with({0.1, 0.4, 5, 2});
  outcome.annotators.push_back({"emend", "ada"});
  outcome.annotations_elsewhere = 3;
  EXPECT_THAT(patterns_text(outcome, {}, 100), HasSubstr("Not compared: 3 rows of the annotations"));
}

}  // namespace
}  // namespace emend
