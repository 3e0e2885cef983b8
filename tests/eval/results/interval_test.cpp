#include "eval/results/interval.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace emend {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(MeanWithInterval, UsesThePopulationDeviation) {
  const MetricSummary summary = mean_with_interval({1, 0, 1, 1});
  EXPECT_DOUBLE_EQ(summary.mean, 0.75);
  EXPECT_NEAR(summary.ci95, 1.96 * std::sqrt(0.1875) / 2, 1e-15);
  EXPECT_EQ(summary.n, 4);
}

TEST(MeanWithInterval, LeavesOutWhatWasNotMeasured) {
  const MetricSummary summary = mean_with_interval({kNaN, 2, std::numeric_limits<double>::infinity(), 4});
  EXPECT_DOUBLE_EQ(summary.mean, 3);
  EXPECT_EQ(summary.n, 2);
  EXPECT_TRUE(std::isnan(mean_with_interval({}).mean));
  EXPECT_TRUE(std::isnan(mean_with_interval({kNaN}).ci95));
  EXPECT_EQ(mean_with_interval({7}).ci95, 0);
}

TEST(HarmonicMean, OfTheUsualAndTheOddCases) {
  EXPECT_DOUBLE_EQ(harmonic_mean({1, 0.5}), 2.0 / 3);
  EXPECT_EQ(harmonic_mean({1, 0, 0.5}), 0);
  EXPECT_TRUE(std::isnan(harmonic_mean({})));
  EXPECT_TRUE(std::isnan(harmonic_mean({1, kNaN})));
  EXPECT_TRUE(std::isnan(harmonic_mean({1, -1})));
}

TEST(HarmonicMeanWithInterval, OfOneColumnIsTheMean) {
  const std::vector<double> column = {1, 0, 1, 1, kNaN};
  const MetricSummary one = harmonic_mean_with_interval({column});
  const MetricSummary mean = mean_with_interval(column);
  EXPECT_DOUBLE_EQ(one.mean, mean.mean);
  EXPECT_NEAR(one.ci95, mean.ci95, 1e-15);
  EXPECT_EQ(one.n, mean.n);
}

TEST(HarmonicMeanWithInterval, CountsTheCorrelationOfTheColumns) {
  const std::vector<double> column = {1, 0, 1, 1};
  const std::vector<double> opposite = {0, 1, 1, 1};
  // The same column twice moves as one: the interval of the mean itself.
  const MetricSummary same = harmonic_mean_with_interval({column, column});
  EXPECT_DOUBLE_EQ(same.mean, 0.75);
  EXPECT_NEAR(same.ci95, mean_with_interval(column).ci95, 1e-15);
  EXPECT_LT(harmonic_mean_with_interval({column, opposite}).ci95, same.ci95);
}

TEST(HarmonicMeanWithInterval, IsZeroWhenOneMeanIs) {
  const MetricSummary summary = harmonic_mean_with_interval({{1, 1}, {0, 0}});
  EXPECT_EQ(summary.mean, 0);
  EXPECT_EQ(summary.ci95, 0);
  EXPECT_EQ(summary.n, 2);
  EXPECT_TRUE(std::isnan(harmonic_mean_with_interval({{1, 1}, {kNaN, kNaN}}).mean));
}

RecordResult record(RecordStatus status, double efficacy, double paraphrase, double neighbourhood) {
  RecordResult result;
  result.status = status;
  result.base = {{"efficacy_success", 0}};
  result.metrics = {{"efficacy_success", efficacy},
                    {"paraphrase_success", paraphrase},
                    {"neighbourhood_success", neighbourhood}};
  return result;
}

TEST(SummarizeRecords, LeavesOutWhatWasTrueAlready) {
  const std::vector<RecordResult> records = {record(RecordStatus::kEdited, 1, 0.5, 1),
                                             record(RecordStatus::kFailed, 0, 0, 1),
                                             record(RecordStatus::kAlreadyTrue, 1, 1, 1)};
  const auto after = summarize_records(records, Moment::kAfter);
  EXPECT_EQ(after.at("efficacy_success").n, 2);
  EXPECT_DOUBLE_EQ(after.at("efficacy_success").mean, 0.5);
  EXPECT_DOUBLE_EQ(after.at("score").mean, harmonic_mean({0.5, 0.25, 1}));
  EXPECT_GT(after.at("score").ci95, 0);
  const auto before = summarize_records(records, Moment::kBefore);
  EXPECT_EQ(before.size(), 1u) << "no score without its parts";
  EXPECT_TRUE(summarize_records({}, Moment::kAfter).empty());
}

TEST(SummarizeRecords, CountsOnlyRecordsThatHaveTheMetric) {
  std::vector<RecordResult> records(2);
  records[0].metrics = {{"fluency", 6}, {"drift_kl", kNaN}};
  const auto after = summarize_records(records, Moment::kAfter);
  EXPECT_EQ(after.at("fluency").n, 1);
  EXPECT_EQ(after.at("drift_kl").n, 0);
}

}  // namespace
}  // namespace emend
