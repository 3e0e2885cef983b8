#include "reports/abilities_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emend {
namespace {

using testing::HasSubstr;
using testing::Not;

// 500 items, 300 right before; 9 lost and 1 gained.
AbilityOutcome sample(bool edited) {
  AbilityOutcome outcome;
  outcome.edited = edited;
  outcome.bootstrap = {7, 1000};
  AbilityFigure figure;
  figure.metric = "acc";
  figure.before = {0.6, 0.0429, 500};
  if (edited) {
    figure.after = MetricSummary{0.584, 0.0432, 500};
    figure.paired = PairedDifference{0.6, 0.584, -0.016, -0.03, -0.004, 0.01, 500};
    figure.lost = 9;
    figure.gained = 1;
    figure.p = 0.021484375;
  }
  outcome.tasks.push_back({"arc", "ARC", "data/arc.jsonl", {}, {figure}, 2});
  return outcome;
}

TEST(AbilitiesReport, TellsBothSidesAndTheirDifference) {
  const std::string text = abilities_text(sample(true), 0);
  EXPECT_THAT(
      text,
      HasSubstr(
          "arc   ARC     500  acc     60.0 %  58.4 %        -1.6   [-3.0, -0.4]     9       1  0.021\n"));
  EXPECT_THAT(text, HasSubstr("1,000 draws, seed 7"));
  EXPECT_THAT(text,
              HasSubstr("arc: 2 items were too long for the model's positions and lost the beginning.\n"));
}

TEST(AbilitiesReport, TellsTheIntervalOfOneModel) {
  const std::string text = abilities_text(sample(false), 0);
  EXPECT_THAT(text, HasSubstr("60.0 %   55.7 to 64.3\n"));
  EXPECT_THAT(text, Not(HasSubstr("gained")));
}

// No right answer of eight is not sure to be none: what Wilson's interval says, as in the tables of
// benchmarks.
TEST(AbilitiesReport, TellsAnIntervalWhereAllItemsAgree) {
  AbilityOutcome outcome = sample(false);
  outcome.tasks[0].figures[0].before = {0, 0, 8};
  EXPECT_THAT(abilities_text(outcome, 0), HasSubstr("0.0 %    0.0 to 32.4\n"));
  outcome.tasks[0].figures[0].before = {1, 0, 1};
  EXPECT_THAT(abilities_text(outcome, 0), HasSubstr("100.0 %              -\n"));
}

TEST(AbilitiesReport, HasTheSameFiguresOnAPage) {
  const std::string page = abilities_page(sample(true), "models/a&b.gguf");
  for (const char* text : {"Abilities before and after the edit", "models/a&amp;b.gguf", ">arc<", ">58.4 %<",
                           ">[-3.0, -0.4]<", "1,000 draws, seed 7", "arc: 2 items were too long"})
    EXPECT_THAT(page, HasSubstr(text));
  const std::string alone = abilities_page(sample(false), "m.gguf");
  EXPECT_THAT(alone, HasSubstr("Abilities of the model"));
  EXPECT_THAT(alone, Not(HasSubstr("gained")));
}

}  // namespace
}  // namespace emend
