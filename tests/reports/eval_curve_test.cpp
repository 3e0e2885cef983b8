#include "reports/eval_curve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/markup_check.h"
#include "../support/sample_results.h"
#include "reports/eval_page.h"
#include "reports/eval_report.h"

namespace emend {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

EvalSummary run_with_curve(const std::string& label, double score, double perplexity) {
  EvalSummary run = sample_summary(label);
  run.mode = "sequential:10";
  run.curve = {
      {10,
       {{"score", {0.95, 0.02, 9}}, {"score_generated", {0.9, 0, 9}}, {"drift_perplexity", {1.01, 0, 1}}},
       9,
       {{"efficacy_success", {1, 0, 9}}}},
      {1000,
       {{"score", {score, 0.01, 990}}, {"drift_perplexity", {perplexity, 0, 1}}},
       10,
       {{"efficacy_success", {0.5, 0.3, 10}}}}};
  return run;
}

std::vector<EvalSummary> two_runs() {
  return {run_with_curve("<rome>", 0.5, 4000), run_with_curve("bulk", 0.94, 1.2)};
}

TEST(CurveSections, HaveARowForEachPointOfEachRun) {
  const auto sections = curve_sections(two_runs());
  ASSERT_THAT(sections, SizeIs(2));
  EXPECT_THAT(sections[0].columns, ElementsAre("edits", "score", "first edits", "drift, perplexity", "n"));
  EXPECT_THAT(
      sections[0].rows,
      ElementsAre(ElementsAre("<rome>"),
                  ElementsAre("10", "95.0 ± 2.0", "100.0 (70.1 to 100.0)", "1.010", "9"),
                  ElementsAre("1,000", "50.0 ± 1.0", "50.0 ± 30.0", "4000", "990"), ElementsAre("bulk"),
                  ElementsAre("10", "95.0 ± 2.0", "100.0 (70.1 to 100.0)", "1.010", "9"),
                  ElementsAre("1,000", "94.0 ± 1.0", "50.0 ± 30.0", "1.200", "990")));
  EXPECT_THAT(sections[1].columns, ElementsAre("edits", "score", "n"));
  EXPECT_THAT(sections[1].rows[2], ElementsAre("1,000", "-", "990"));
}

TEST(CurveSections, AreLeftOutWithoutACurve) {
  EXPECT_THAT(curve_sections({sample_summary("rome")}), IsEmpty());
  EXPECT_THAT(curve_charts({sample_summary("rome")}), IsEmpty());
  EXPECT_THAT(eval_markdown({sample_summary("rome")}), Not(HasSubstr("Along the sequence")));
}

// All runs are in one picture, by powers of ten: the second point lies two thirds of three decades to the
// right of the first one, less the room at the ends.
TEST(CurveCharts, ShowAllRunsOverTheLogarithmOfTheEdits) {
  const auto charts = curve_charts(two_runs());
  ASSERT_THAT(charts, SizeIs(4));
  EXPECT_EQ(charts[0].title, "Score");
  EXPECT_EQ(charts[2].title, "Score, generated answers");
  for (const TitledChart& chart : charts) EXPECT_EQ(markup_fault(chart.svg), "") << chart.title;
  for (const char* part : {"band s1", "band s2", "&lt;rome&gt;, 1,000 edits: 50.0 ± 1.0", ">100</text>",
                           ">1000</text>", ">edits</text>"})
    EXPECT_THAT(charts[0].svg, HasSubstr(part));
  EXPECT_EQ(charts[3].title, "Drift: perplexity on held text, edited over unedited");
  for (const char* part : {">1</text>", ">10</text>", ">100</text>", ">1000</text>"})
    EXPECT_THAT(charts[3].svg, HasSubstr(part));  // drift over powers of ten, too
}

// zsRE has no answer to compare with; where there is one, accuracies would say the same again.
TEST(CurveSections, NameAccuraciesWhereNothingElseIsMeasured) {
  EvalSummary run = run_with_curve("rome", 0.5, 2);
  for (EvalSummary::CurvePoint& point : run.curve) {
    point.metrics["rewrite_acc"] = {0.75, 0, 9};
    point.first_metrics["rewrite_acc"] = {0.25, 0, 9};
  }
  EXPECT_THAT(curve_sections({run})[0].columns, Not(testing::Contains("rewrite_acc")));
  for (EvalSummary::CurvePoint& point : run.curve) {
    point.metrics.erase("score");
    point.first_metrics.erase("efficacy_success");
  }
  const auto sections = curve_sections({run});
  EXPECT_THAT(sections[0].columns,
              ElementsAre("edits", "rewrite_acc", "first edits", "drift, perplexity", "n"));
  EXPECT_THAT(sections[0].rows[1], ElementsAre("10", "75.0 ± 0.0", "25.0 ± 0.0", "1.010", "9"));
}

TEST(CurveCharts, OfOnePointHaveMarksToReadItBy) {
  EvalSummary run = run_with_curve("rome", 0.5, 2);
  run.curve.erase(run.curve.begin());
  run.curve[0].edits = 60;
  const auto charts = curve_charts({run});
  EXPECT_EQ(markup_fault(charts[0].svg), "");
  EXPECT_THAT(charts[0].svg, HasSubstr(">60</text>"));
}

TEST(CurveReports, AreOnThePageAndInMarkdown) {
  EvalResults run = sample_results("rome");
  run.summary = two_runs()[0];
  const std::string page = eval_page({run});
  EXPECT_EQ(markup_fault(page), "");
  EXPECT_THAT(page, HasSubstr("<h2>Along the sequence</h2>"));
  EXPECT_THAT(page, HasSubstr("95.0 ± 2.0"));
  const std::string markdown = eval_markdown(two_runs());
  EXPECT_THAT(markdown, HasSubstr("## Along the sequence\n"));
  EXPECT_THAT(markdown, HasSubstr("| 1,000 | 94.0 ± 1.0 | 50.0 ± 30.0 | 1.200 | 990 |"));
}

}  // namespace
}  // namespace emend
