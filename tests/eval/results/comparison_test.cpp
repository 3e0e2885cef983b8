// Two runs over the same records.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../../support/sample_results.h"
#include "emend/error.h"
#include "emend/eval_results.h"

namespace emend {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const PairedDifference& values_of(const Comparison& comparison, const std::string& metric) {
  for (const ComparedMetric& compared : comparison.metrics)
    if (compared.metric == metric) return compared.values;
  throw std::out_of_range(metric);
}

TEST(CompareRuns, PairsRecordsById) {
  const EvalResults a = sample_results("rome");
  EvalResults b = sample_results("memit");
  b.records = {sample_record("r2", 0.9), sample_record("r1", 0.9), sample_record("r3", 0.9)};
  const Comparison comparison = compare_runs(a, b, {.seed = 1, .draws = 100});
  EXPECT_EQ(comparison.shared, 2);
  EXPECT_THAT(comparison.only_a, IsEmpty());
  EXPECT_THAT(comparison.only_b, ElementsAre("r3"));
  EXPECT_DOUBLE_EQ(values_of(comparison, "efficacy_success").a, 0.5);
  EXPECT_DOUBLE_EQ(values_of(comparison, "efficacy_success").b, 1);
  EXPECT_DOUBLE_EQ(values_of(comparison, "score").a, 0.6);
  EXPECT_DOUBLE_EQ(values_of(comparison, "score").b, 1);
  EXPECT_EQ(values_of(comparison, "fluency").p, 1);
  EXPECT_THAT(comparison.warnings, IsEmpty());
}

TEST(CompareRuns, CountsWhatWasTrueAlreadyAsNotEvaluated) {
  const EvalResults a = sample_results("rome");
  EvalResults b = sample_results("memit");
  b.records[0].status = RecordStatus::kAlreadyTrue;
  const Comparison comparison = compare_runs(a, b, {.draws = 10});
  EXPECT_EQ(comparison.shared, 1);
  EXPECT_THAT(comparison.only_a, ElementsAre("r1"));
}

// Points are compared where both runs have them: 1 and 2 here, not 5 and 7.
TEST(CompareRuns, PairsThePointsOfCurves) {
  EvalResults a = sample_results("rome"), b = sample_results("memit");
  a.curve = {{1, {sample_record("r1", 0.2)}}, {2, a.records}, {5, a.records}};
  b.curve = {{1, {sample_record("r1", 0.9)}}, {2, {sample_record("r2", 0.9), sample_record("r1", 0.9)}}};
  b.curve[7] = b.records;
  const Comparison comparison = compare_runs(a, b, {.seed = 1, .draws = 100});
  ASSERT_EQ(comparison.curve.size(), 2u);
  EXPECT_EQ(comparison.curve[0].edits, 1);
  const std::vector<ComparedMetric>& metrics = comparison.curve[1].metrics;
  ASSERT_FALSE(metrics.empty());
  EXPECT_EQ(metrics[0].metric, "score");
  EXPECT_DOUBLE_EQ(metrics[0].values.a, 0.6);  // 3 / (1 / 0.5 + 1 / 0.5 + 1)
  EXPECT_DOUBLE_EQ(metrics[0].values.b, 1);
  EXPECT_EQ(metrics[0].values.n, 2);
  EXPECT_EQ(metrics[1].metric, "efficacy_success");  // no score of generated answers: one part was not asked
  EXPECT_EQ(comparison.curve[0].metrics[1].values.difference, 1);
  EXPECT_THAT(compare_runs(a, sample_results("memit"), {.draws = 10}).curve, IsEmpty());
}

TEST(CompareRuns, WarnsWhenTheRunsAreNotAlike) {
  const EvalResults a = sample_results("rome");
  EvalResults b = sample_results("memit");
  b.summary.model_fingerprint = "other";
  b.summary.data_fingerprint = "other";
  b.summary.mode = "sequential:10";
  const Comparison comparison = compare_runs(a, b, {.draws = 10});
  EXPECT_THAT(comparison.warnings, ElementsAre(HasSubstr("different models"), HasSubstr("data files differ"),
                                               HasSubstr("mode: single and sequential:10")));
}

TEST(CompareRuns, RefusesRunsThatShareNothing) {
  const EvalResults a = sample_results("rome");
  EvalResults b = sample_results("memit");
  for (RecordResult& record : b.records) record.id = "other " + record.id;
  try {
    compare_runs(a, b);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kConfig);
    EXPECT_THAT(error.what(), HasSubstr("share no evaluated record"));
  }
}

TEST(CompareRuns, RefusesABootstrapWithoutDraws) {
  EXPECT_THROW(compare_runs(sample_results("rome"), sample_results("memit"), {.draws = 0}), Error);
}

TEST(CompareRuns, RefusesOneIdForTwoRecords) {
  const EvalResults a = sample_results("rome");
  EvalResults b = sample_results("memit");
  b.records[1].target = "Athens";
  try {
    compare_runs(a, b);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("the record \"r2\" is not the same in both runs"));
  }
}

}  // namespace
}  // namespace emend
