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
