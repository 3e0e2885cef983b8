#include "emend/judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace emend {
namespace {

using testing::ElementsAre;
using testing::Optional;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

EditRequest request_with(const std::string& was) {
  EditRequest request;
  request.target = "target";
  request.was = was;
  return request;
}

bool holds(const std::string& was, double p_target, double p_was, bool greedy) {
  FactState state;
  state.prompt = {p_target, p_was, greedy, ""};
  return judge(request_with(was), state).holds;
}

TEST(Judge, AnAnswerMustBeStrictlyLikelier) {
  EXPECT_TRUE(judge({"a", "b", 0.3, 0.2, false}).likelier);
  EXPECT_TRUE(judge({"a", "b", -1.0, -2.0, false}).likelier) << "log-probabilities";
  for (const auto& [wanted, other] : {std::pair(0.2, 0.3), {0.3, 0.3}, {kNaN, 0.3}, {0.3, kNaN}})
    EXPECT_FALSE(judge({"a", "b", wanted, other, true}).likelier) << wanted << " " << other;
}

TEST(Judge, NothingIsToldApartWithoutTwoAnswers) {
  EXPECT_TRUE(are_opposed("a", "b"));
  EXPECT_FALSE(are_opposed("a", "a"));
  EXPECT_FALSE(are_opposed("a", ""));
  EXPECT_FALSE(are_opposed("", "a"));
}

TEST(Judge, AnswersBeginAlikeWhenOneIsTheBeginOfTheOther) {
  EXPECT_TRUE(begin_alike("Guinea", "Guinea-Bissau"));
  EXPECT_TRUE(begin_alike("New York City", "New York"));
  EXPECT_FALSE(begin_alike("Guinea", "Guinea"));
  EXPECT_FALSE(begin_alike("Guinea", ""));
  EXPECT_FALSE(begin_alike("Guinea", "Guyana"));
}

TEST(Judge, AnEditHoldsWhenTheTargetIsAheadAndGreedy) {
  EXPECT_TRUE(holds("was", 0.6, 0.1, true));
  EXPECT_FALSE(holds("was", 0.6, 0.1, false));
  EXPECT_FALSE(holds("was", 0.2, 0.3, true));
  EXPECT_FALSE(holds("was", 0.3, 0.3, true));
}

TEST(Judge, WithoutAnotherAnswerTheGreedyContinuationDecides) {
  for (const std::string was : {"", "target"}) {
    EXPECT_TRUE(holds(was, 0.6, 0.6, true)) << was;
    EXPECT_FALSE(holds(was, 0.6, 0.6, false)) << was;
    FactState state;
    state.paraphrases = {{0.6, 0.6, true, ""}, {0.6, 0.6, false, ""}};
    EXPECT_THAT(judge(request_with(was), state).paraphrases, ElementsAre(true, false)) << was;
  }
}

// The two rules where the record's present answer is the target, or is not given.
TEST(Judge, ABenchmarkCountsARecordThatCannotBeWonAsAFailure) {
  const AnswerVerdict same = judge(AnswerPair{"target", "target", 0.6, 0.6, true});
  EXPECT_TRUE(same.holds());
  EXPECT_THAT(same.success(), Optional(false));
  const AnswerVerdict alone = judge(AnswerPair{"target", "", 0.6, 0.6, true});
  EXPECT_TRUE(alone.holds());
  EXPECT_EQ(alone.success(), std::nullopt);
  const AnswerVerdict not_greedy = judge(AnswerPair{"target", "was", 0.6, 0.1, false});
  EXPECT_FALSE(not_greedy.holds());
  EXPECT_THAT(not_greedy.success(), Optional(true));
}

TEST(Judge, AParaphraseNeedNotBeGreedy) {
  FactState state;
  state.paraphrases = {{0.5, 0.1, false, ""}, {0.1, 0.5, true, ""}, {0.5, 0.5, true, ""}};
  EXPECT_THAT(judge(request_with("was"), state).paraphrases, ElementsAre(true, false, false));
}

TEST(Judge, ANeighbourKeepsItsAnswerIfItBeatsTheTarget) {
  FactState state;
  state.neighbours = {
      {"own", 0.5, 0.1, ""}, {"own", 0.1, 0.5, ""}, {"own", 0.5, 0.5, ""}, {"own", kNaN, 0.1, ""}};
  EXPECT_THAT(judge(request_with("was"), state).neighbours, ElementsAre(true, false, false, false));
}

TEST(Judge, ANeighbourWithNothingToTellApartIsNotJudged) {
  FactState state;
  state.neighbours = {{"", 0, 0.5, ""}, {"target", 0.5, 0.5, ""}};
  EXPECT_THAT(judge(request_with("was"), state).neighbours, ElementsAre(std::nullopt, std::nullopt));
}

}  // namespace
}  // namespace emend
