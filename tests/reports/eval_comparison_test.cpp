#include "reports/eval_comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/sample_results.h"

namespace emend {
namespace {

using testing::HasSubstr;

TEST(ComparisonReport, NamesRunsDifferencesAndRecords) {
  EvalResults a = sample_results("rome"), b = sample_results("rome");
  b.folder = "out/again";
  a.records.push_back(sample_record("r3", 0.9));
  const std::string text = comparison_report(compare_runs(a, b, {.draws = 100}), 0);
  EXPECT_THAT(text, HasSubstr("A: out/rome\nB: out/again\n"));
  b.summary.label = "rome, four layers";
  EXPECT_THAT(comparison_report(compare_runs(a, b, {.draws = 100}), 0),
              HasSubstr("A: rome (out/rome)\nB: rome, four layers (out/again)\n"));
  EXPECT_THAT(text, HasSubstr("efficacy_success, %"));
  EXPECT_THAT(text, HasSubstr("2 records are in both"));
  EXPECT_THAT(text, HasSubstr("1 record is evaluated in A only: r3\n"));
}

TEST(ComparisonJson, HasEveryNumber) {
  const auto json =
      comparison_json(compare_runs(sample_results("rome"), sample_results("memit"), {.draws = 10}));
  EXPECT_EQ(json["metrics"]["fluency"]["p"], 1.0);
  EXPECT_EQ(json["metrics"]["fluency"]["n"], 2);
  EXPECT_EQ(json["draws"], 10);
  EXPECT_EQ(json["folder_b"], "out/memit");
}

TEST(ComparisonReport, ComparesCurvesPointByPoint) {
  EvalResults a = sample_results("rome"), b = sample_results("memit");
  EXPECT_FALSE(comparison_json(compare_runs(a, b, {.draws = 10})).contains("curve"));
  a.curve = b.curve = {{1000, a.records}};
  const Comparison comparison = compare_runs(a, b, {.draws = 10});
  EXPECT_THAT(comparison_report(comparison, 0), HasSubstr("Along the sequence, over all records so far:\n"));
  EXPECT_THAT(comparison_report(comparison, 0), HasSubstr("1,000"));
  const auto json = comparison_json(comparison);
  ASSERT_EQ(json["curve"].size(), 1u);
  EXPECT_EQ(json["curve"][0]["edits"], 1000);
  EXPECT_EQ(json["curve"][0]["metrics"]["score"]["difference"], 0.0);
  EXPECT_EQ(json["curve"][0]["metrics"]["score"]["n"], 2);
}

}  // namespace
}  // namespace emend
