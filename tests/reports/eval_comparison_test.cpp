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
}

}  // namespace
}  // namespace emend
