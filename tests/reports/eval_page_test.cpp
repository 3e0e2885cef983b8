#include "reports/eval_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/markup_check.h"
#include "../support/sample_results.h"

namespace emend {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(EvalPage, IsWellFormedAndNeedsNothingElse) {
  EvalResults run = sample_results("rome");
  run.summary.retention = {{10, run.summary.metrics}, {20, run.summary.metrics}};
  const std::string page = eval_page({run, sample_results("memit")});
  EXPECT_EQ(markup_fault(page), "");
  for (const char* part : {"<script", "src=", "href=", "url(", "@import"})
    EXPECT_THAT(page, Not(HasSubstr(part)));
  for (const char* part : {"<h2>Retention</h2>", "<h2>Distributions</h2>", "Worst cases: memit", "97.5 ± 1.2",
                           "objective: written", "left out: already true", "prefers-color-scheme"})
    EXPECT_THAT(page, HasSubstr(part));
}

TEST(EvalPage, EscapesAllText) {
  EvalResults run = sample_results("<i>rome");
  run.summary.notes = {"<i>note"};
  run.summary.options = {{"<i>name", "<i>value"}};
  run.summary.metrics["<i>metric"] = {1, 1, 1};
  run.summary.skipped["<i>reason"] = 1;
  run.records[0].reason = "<i>failure";
  for (RecordResult& record : run.records) record.warnings = {"<i>warning"};
  run.records[1].target = "<i>target";
  run.records[1].answers[0].after.text = "<i>text {{title}} \xFF";
  const std::string page = eval_page({run});
  EXPECT_EQ(markup_fault(page), "");
  EXPECT_THAT(page, Not(HasSubstr("<i>")));
  EXPECT_THAT(page, HasSubstr("&lt;i&gt;text {{title}} \xEF\xBF\xBD"));
  EXPECT_THAT(page, HasSubstr("&lt;i&gt;target"));
  EXPECT_THAT(page, HasSubstr("Warning:</span> &lt;i&gt;warning"));
}

TEST(EvalPage, SaysHowManyCasesThereAre) {
  const std::string page = eval_page({sample_results("rome")}, {.title = "Mine", .worst_cases = 0});
  EXPECT_THAT(page, HasSubstr("<h1>Mine</h1>"));
  EXPECT_THAT(page, HasSubstr("The worst 0 of 1; records.jsonl has all."));
  EXPECT_THAT(page, HasSubstr("Neighbours flipped (none)"));
}

TEST(EvalPage, OfEmptyRunsIsStillAPage) {
  EXPECT_EQ(markup_fault(eval_page({})), "");
  const std::string page = eval_page({EvalResults{}});
  EXPECT_EQ(markup_fault(page), "");
  EXPECT_THAT(page, Not(HasSubstr("Retention")));
  EXPECT_THAT(page, Not(HasSubstr("Distributions")));
}

}  // namespace
}  // namespace emend
