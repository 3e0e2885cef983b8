#include "reports/eval_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "../cli/scratch_folder.h"
#include "../support/sample_results.h"
#include "base/files.h"

namespace emend {
namespace {

using testing::HasSubstr;
using testing::Not;

BenchmarkOutcome sample_outcome() {
  BenchmarkOutcome outcome{"out", {sample_results("rome"), sample_results("memit")}, {}};
  outcome.methods[0].summary.seconds = {{"load", 1}, {"search", 10}, {"solve", 1}, {"evaluation", 1}};
  outcome.methods[1].summary.seconds.clear();
  return outcome;
}

TEST(EvalReport, TellsFiguresAndWhereTheTimeWent) {
  BenchmarkOutcome outcome = sample_outcome();
  const std::string text = eval_report(outcome, 0);
  EXPECT_THAT(text, HasSubstr("97.5 ± 1.2"));
  EXPECT_THAT(text, HasSubstr("\nTime\n  rome: 2 records, 10.0 a minute: search 10.0 s, solve 1.00 s, "
                              "evaluation 1.00 s; besides load 1.00 s, statistics 0.00 s\n"));
  EXPECT_THAT(text, HasSubstr("  memit: 2 records, 0 a minute"));
  EXPECT_THAT(text, Not(HasSubstr("Left out of the data")));
  outcome.left_out = {"record 7: the target is empty"};
  EXPECT_THAT(eval_report(outcome, 0),
              HasSubstr("\nLeft out of the data, for example:\n  record 7: the target is empty\n"));
}

TEST(EvalReport, IsAlsoJson) {
  const auto json = eval_json(sample_outcome());
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[0]["label"], "rome");
  EXPECT_EQ(json[0]["records_per_minute"], 10.0);
  EXPECT_EQ(json[1]["records_per_minute"], 0.0);
}

TEST(EvalReport, IsWrittenBesideTheResults) {
  const ScratchFolder folder;
  BenchmarkOutcome outcome = sample_outcome();
  outcome.out = folder.path();
  const auto written = write_eval_reports(outcome);
  ASSERT_EQ(written.size(), 2u);
  EXPECT_THAT(read_text_file(folder / "report.html"), HasSubstr("Worst cases: memit"));
  EXPECT_THAT(read_text_file(folder / "report.md"), HasSubstr("## How it was made: memit"));
}

TEST(EvalMarkdown, HasTheTablesAndTheProvenance) {
  EvalSummary summary = sample_summary("rome");
  summary.notes = {"a <b> | c"};
  const std::string text = eval_markdown({summary});
  EXPECT_THAT(text, HasSubstr("| **efficacy** |  |  |  |  |  |\n"));
  EXPECT_THAT(text, HasSubstr("| rome | 97.5 ± 1.2 |"));
  EXPECT_THAT(text, HasSubstr("- note: a &lt;b> \\| c\n"));
  EXPECT_THAT(text, Not(HasSubstr("<b>")));
}

}  // namespace
}  // namespace emend
