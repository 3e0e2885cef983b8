#include "reports/junit_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "measured.h"

namespace emend {
namespace {

using test::Measured;
using testing::HasSubstr;
using testing::SizeIs;

JunitCase case_of(const Measured& measured) {
  return junit_suite("a.safetensors", measured.list(), {}).cases.at(0);
}

TEST(JunitReport, AFactThatHoldsPasses) {
  Measured measured;
  measured.before.prompt.p_target = 0.01;
  measured.after.prompt = {0.9, 0.05, true, " Rome"};
  const JunitCase result = case_of(measured);
  EXPECT_EQ(result.name, "edit tower");
  EXPECT_FALSE(result.failure.has_value());
  EXPECT_FALSE(result.skipped);
  EXPECT_THAT(result.output, HasSubstr("answer \" Rome\""));
}

TEST(JunitReport, AFactFailsWithItsAnswer) {
  Measured measured;
  measured.after.prompt = {0.4, 0.5, false, " Paris"};
  EXPECT_EQ(case_of(measured).failure, "the answer to \"the tower stands in\" is \" Paris\", not \"Rome\"");
}

// Both likelihoods are the target's then, so that neither is ahead: the check passed, and the case failed.
TEST(JunitReport, WithoutAnotherAnswerAFactPassesWhereTheCheckDoes) {
  for (const std::string was : {"", "Rome"}) {
    Measured measured;
    measured.fact.request.was = was;
    measured.after.prompt = {0.9, 0.9, true, " Rome"};
    EXPECT_FALSE(case_of(measured).failure.has_value()) << was;
    measured.after.prompt.argmax_target = false;
    EXPECT_TRUE(case_of(measured).failure.has_value()) << was;
  }
}

TEST(JunitReport, AThresholdThatAllowsMissesAllowsThemHereToo) {
  Measured measured;
  measured.after.prompt = {0.4, 0.5, false, " Paris"};
  const auto with = [&](const CheckResult& check) {
    return junit_suite("a.safetensors", measured.list(), {check}).cases.at(0);
  };
  const JunitCase allowed = with({"efficacy", 0.5, 0.5, true, 2});
  EXPECT_FALSE(allowed.failure.has_value());
  EXPECT_THAT(allowed.output, HasSubstr("is \" Paris\", not \"Rome\""));
  EXPECT_TRUE(with({"efficacy", 0.5, 0.9, false, 2}).failure.has_value());
  EXPECT_TRUE(with({"efficacy", std::nullopt, 0.5, true, 0}).failure.has_value());
  EXPECT_TRUE(with({"paraphrase", 1.0, 0.5, true, 2}).failure.has_value());
}

TEST(JunitReport, FailedSearchesFailAndFactsThatWereTrueAreSkipped) {
  Measured measured;
  measured.after.prompt = {0.9, 0.05, true, " Rome"};
  measured.fact.status = FactStatus::kFailed;
  EXPECT_EQ(case_of(measured).failure, "the search failed");
  measured.fact.reason = "the loss is not finite";
  EXPECT_EQ(case_of(measured).failure, "the loss is not finite");
  measured.fact.status = FactStatus::kAlreadyTrue;
  EXPECT_TRUE(case_of(measured).skipped);
  EXPECT_FALSE(case_of(measured).failure.has_value());
}

// The check counts the likelier targets; what the model says is told beside it.
TEST(JunitReport, TheCheckOfParaphrasesSaysBothFigures) {
  Measured measured;
  measured.fact.request.paraphrases = {"you see the tower in", "the tower is in"};
  measured.after.prompt = {0.9, 0.05, true, " Rome"};
  measured.after.paraphrases = {{0.4, 0.1, false, " the"}, {0.9, 0.05, true, " Rome"}};
  measured.before.paraphrases = measured.after.paraphrases;
  const JunitSuite suite = junit_suite("a.safetensors", measured.list(), {{"paraphrase", 1.0, 0.8, true, 2}});
  EXPECT_EQ(suite.cases.at(1).output,
            "1.000, wanted at least 0.8000, n 2; the target is likelier on 2, and said on 1");
}

TEST(JunitReport, ChecksFollowTheFacts) {
  const JunitSuite suite = junit_suite(
      "a.safetensors", {}, {{"efficacy", 0.5, 1.0, false, 2}, {"drift", std::nullopt, 1.02, false, 0}});
  ASSERT_THAT(suite.cases, SizeIs(2));
  EXPECT_EQ(suite.cases[0].name, "check efficacy");
  EXPECT_THAT(suite.cases[0].failure.value_or(""), HasSubstr("wanted at least 1"));
  EXPECT_TRUE(suite.cases[1].skipped);
  EXPECT_FALSE(suite.cases[1].failure.has_value());
}

}  // namespace
}  // namespace emend
