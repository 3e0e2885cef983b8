#include "eval/results/curve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "emend/error.h"

namespace emend {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(ParseCurve, TakesRisingNumbersOrNone) {
  EXPECT_THAT(parse_curve("1,10,100"), ElementsAre(1, 10, 100));
  EXPECT_THAT(parse_curve("7"), ElementsAre(7));
  EXPECT_THAT(parse_curve("none"), IsEmpty());
}

TEST(ParseCurve, RefusesWhatDoesNotRiseOrIsNoNumber) {
  for (const char* text : {"", "0", "-1", "10,1", "5,5", "1,", ",1", "1,,2", "1;2", "1, 2", "ten", "1.5",
                           "99999999999999999999"}) {
    try {
      parse_curve(text);
      FAIL() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage) << text;
      EXPECT_THAT(error.what(), HasSubstr("curve must be none, or rising numbers of edits")) << text;
    }
  }
}

// Steps of 30: 1 and 10 are reached by the first one, 100 by the one that ends at 120; 300 is not reached.
TEST(CurveEnds, AreTheFirstStepsThatReachThePoints) {
  EXPECT_THAT(curve_ends({30, 60, 90, 120, 140}, {1, 10, 100, 300}), ElementsAre(30, 120, 140));
  EXPECT_THAT(curve_ends({10, 20, 30}, {10, 20}), ElementsAre(10, 20, 30));
  EXPECT_THAT(curve_ends({10, 20, 30}, {1000}), ElementsAre(30));  // the end is always a point
  EXPECT_THAT(curve_ends({10, 20}, {}), IsEmpty());
  EXPECT_THAT(curve_ends({}, {1}), IsEmpty());
  EXPECT_THAT(points_beyond(140, {1, 140, 141, 300}), ElementsAre(141, 300));
}

RecordResult record(double success, double generated, RecordStatus status = RecordStatus::kEdited) {
  RecordResult record;
  record.status = status;
  if (!is_evaluated(status)) return record;
  for (const char* question : {"efficacy", "paraphrase", "neighbourhood"}) {
    record.metrics[std::string(question) + "_success"] = success;
    record.metrics[std::string(question) + "_generated"] = generated;
  }
  return record;
}

// Ten early records that hold by success and half of them in free text, ten late ones that hold by neither.
TEST(CurvePoint, TellsEarlyEditsFromAll) {
  std::vector<RecordResult> records = {record(0, 0, RecordStatus::kAlreadyTrue)};
  for (int i = 0; i < 10; ++i) records.push_back(record(1, i < 5 ? 1 : 0));
  for (int i = 0; i < 10; ++i) records.push_back(record(0, 0));
  records[1].metrics["drift_kl"] = 0.5;
  const EvalSummary::CurvePoint point = curve_point(21, records);
  EXPECT_EQ(point.edits, 21);
  EXPECT_EQ(point.metrics.at("efficacy_success").n, 20);
  EXPECT_DOUBLE_EQ(point.metrics.at("score").mean, 0.5);
  EXPECT_DOUBLE_EQ(point.metrics.at("score_generated").mean, 0.25);
  EXPECT_EQ(point.metrics.at("drift_kl").mean, 0.5);
  EXPECT_EQ(point.first_records, 10);
  EXPECT_EQ(point.first_metrics.at("efficacy_success").mean, 1);
  EXPECT_DOUBLE_EQ(point.first_metrics.at("score_generated").mean, 0.5);
  EXPECT_FALSE(point.first_metrics.contains("drift_kl"));
}

TEST(CurvePoint, OfRecordsThatWereAllLeftOutHasNoFigures) {
  const EvalSummary::CurvePoint point = curve_point(1, {record(0, 0, RecordStatus::kSkipped)});
  EXPECT_EQ(point.first_records, 0);
  EXPECT_THAT(point.metrics, IsEmpty());
}

// The score is the harmonic mean of three different means: 3 / (1 + 1 / 0.5 + 1 / 0.25) = 3 / 7.
TEST(CurvePoint, ScoresGeneratedAnswersByTheHarmonicMean) {
  std::vector<RecordResult> records;
  for (int i = 0; i < 4; ++i) {
    records.push_back(record(1, 1));
    records.back().metrics["paraphrase_generated"] = i < 2 ? 1 : 0;
    records.back().metrics["neighbourhood_generated"] = i < 1 ? 1 : 0;
  }
  EXPECT_DOUBLE_EQ(curve_point(4, records).metrics.at("score_generated").mean, 3.0 / 7);
  for (RecordResult& one : records) one.metrics.erase("paraphrase_generated");
  EXPECT_FALSE(curve_point(4, records).metrics.contains("score_generated"));
}

}  // namespace
}  // namespace emend
