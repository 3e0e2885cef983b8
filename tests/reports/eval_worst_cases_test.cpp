#include "reports/eval_worst_cases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "../support/sample_results.h"

namespace emend {
namespace {

using testing::SizeIs;

enum Kind { kFailed, kNotGenerated, kParaphrases, kNeighbours };

AnswerTrace trace(const std::string& role, double p_target, double p_answer, bool argmax, bool generated) {
  AnswerTrace made = sample_trace(role, p_target, p_answer);
  made.after.argmax = argmax;
  made.after.generated = generated;
  return made;
}

RecordResult record(const std::string& id, const std::vector<AnswerTrace>& answers) {
  RecordResult made = sample_record(id, 1);
  made.answers = answers;
  return made;
}

TEST(WorstCases, AreSortedIntoKinds) {
  const std::vector<RecordResult> records = {
      record("good", {trace("prompt", 0.9, 0.1, true, true), trace("paraphrase", 0.6, 0.1, true, true),
                      trace("neighbour", 0.1, 0.5, true, true)}),
      record("likelier only", {trace("prompt", 0.2, 0.1, false, false)}),
      record("worse", {trace("prompt", 0.1, 0.4, false, false)}),
      record("not said", {trace("prompt", 0.9, 0.1, true, false)}),
      record("elsewhere", {trace("prompt", 0.9, 0.1, true, true), trace("paraphrase", 0.1, 0.6, false, false),
                           trace("neighbour", 0.7, 0.2, false, false)})};
  const auto kinds = find_worst_cases(records);
  ASSERT_THAT(kinds, SizeIs(4));
  ASSERT_THAT(kinds[kFailed].cases, SizeIs(2));
  EXPECT_EQ(kinds[kFailed].cases[0].record->id, "worse");
  EXPECT_NEAR(kinds[kFailed].cases[0].margin, -0.3, 1e-12);
  ASSERT_THAT(kinds[kNotGenerated].cases, SizeIs(1));
  EXPECT_EQ(kinds[kNotGenerated].cases[0].record->id, "not said");
  ASSERT_THAT(kinds[kParaphrases].cases, SizeIs(1));
  ASSERT_THAT(kinds[kNeighbours].cases, SizeIs(1));
  EXPECT_NEAR(kinds[kNeighbours].cases[0].margin, -0.5, 1e-12);
}

TEST(WorstCases, NeighboursThatWereWrongBeforeAreNotFlipped) {
  AnswerTrace neighbour = trace("neighbour", 0.7, 0.2, false, false);
  neighbour.before.p_answer = 0;
  EXPECT_THAT(find_worst_cases({record("a", {neighbour})})[kNeighbours].cases, SizeIs(0));
}

TEST(WorstCases, EditsWithoutUpdateComeFirstAndOnce) {
  RecordResult failed =
      record("failed", {trace("prompt", 0.1, 0.9, false, false), trace("paraphrase", 0, 1, false, false)});
  failed.status = RecordStatus::kFailed;
  RecordResult apart = failed;
  apart.status = RecordStatus::kAlreadyTrue;
  const std::vector<RecordResult> records = {record("worse", {trace("prompt", 0.1, 0.4, false, false)}),
                                             failed, apart};
  const auto kinds = find_worst_cases(records);
  ASSERT_THAT(kinds[kFailed].cases, SizeIs(2));
  EXPECT_EQ(kinds[kFailed].cases[0].record->id, "failed");
  EXPECT_EQ(kinds[kFailed].cases[0].answer, nullptr);
  EXPECT_TRUE(std::isnan(kinds[kFailed].cases[0].margin));
  EXPECT_THAT(kinds[kParaphrases].cases, SizeIs(0));
}

TEST(WorstCases, WithoutAPresentAnswerTheGreedyContinuationDecides) {
  for (const std::string answer : {"", "Rome"}) {  // none, and the target itself
    AnswerTrace prompt = trace("prompt", 0.9, 0.9, true, true),
                paraphrase = trace("paraphrase", 0.2, 0.2, false, false);
    prompt.answer = paraphrase.answer = answer;
    EXPECT_THAT(find_worst_cases({record("a", {prompt})})[kFailed].cases, SizeIs(0)) << answer;
    prompt.after.argmax = false;
    EXPECT_THAT(find_worst_cases({record("a", {prompt})})[kFailed].cases, SizeIs(1)) << answer;
    const auto kinds = find_worst_cases({record("a", {paraphrase})});
    ASSERT_THAT(kinds[kParaphrases].cases, SizeIs(1)) << answer;
    EXPECT_DOUBLE_EQ(kinds[kParaphrases].cases[0].margin, 0.2) << answer;
  }
}

TEST(WorstCases, AnAnswerThatWasNotMeasuredIsNotBeaten) {
  const std::vector<RecordResult> records = {record("worse", {trace("prompt", 0.1, 0.4, false, false)}),
                                             record("unknown", {trace("prompt", 0.9, NAN, true, true)})};
  const auto kinds = find_worst_cases(records);
  ASSERT_THAT(kinds[kFailed].cases, SizeIs(2));
  EXPECT_EQ(kinds[kFailed].cases[0].record->id, "unknown");
}

}  // namespace
}  // namespace emend
