#include "reports/locate_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "../cli/scratch_folder.h"
#include "../support/markup_check.h"
#include "sample_locate.h"

namespace emend {
namespace {

using testing::HasSubstr;
using testing::Not;

LocateReport report_of(const LocateOutcome& outcome) {
  LocateReport report;
  report.model = "<world>";
  report.result = &outcome.result;
  report.average = &outcome.average;
  report.ranking = &outcome.ranking;
  report.decision = &outcome.decision;
  report.decision_text = "Layer 1, by <edits>.";
  report.settings = {{"seed", "<0>"}};
  return report;
}

TEST(LocatePage, IsWellFormedAndNeedsNothingElse) {
  const LocateOutcome outcome = test::sample_locate();
  const std::string page = locate_page(report_of(outcome));
  EXPECT_EQ(markup_fault(page), "");
  for (const char* part : {"<script", "src=", "href=", "url(", "@import", ">nan", " nan"})
    EXPECT_THAT(page, Not(HasSubstr(part)));
  EXPECT_THAT(page, HasSubstr("prefers-color-scheme: dark"));
}

TEST(LocatePage, EscapesAllText) {
  const LocateOutcome outcome = test::sample_locate();
  const std::string page = locate_page(report_of(outcome));
  for (const char* part : {"<i>", "<Paris>", "<gate>", "<Nice>", "<world>", "<edits>", "<0>"})
    EXPECT_THAT(page, Not(HasSubstr(part)));
  EXPECT_THAT(page, HasSubstr("The &lt;i&gt;tower is in"));
}

TEST(LocatePage, ShowsFactsRanksAndDecision) {
  const LocateOutcome outcome = test::sample_locate();
  const std::string page = locate_page(report_of(outcome));
  EXPECT_THAT(page, HasSubstr("<p class=\"summary\">Layer 1, by &lt;edits&gt;.</p>"));
  EXPECT_THAT(page, HasSubstr("Causal tracing of 2 facts."));
  EXPECT_THAT(page, HasSubstr("0.875 clean, 0.062 corrupted"));
  EXPECT_THAT(page, HasSubstr("<td>layer 1</td><td>0.950</td><td>± 0.020</td>"));
  EXPECT_THAT(page, HasSubstr("Left out, because the model does not give the expected answer: 1<"));
  EXPECT_THAT(page, HasSubstr("<th scope=\"row\" class=\"text\">The &lt;gate&gt; is in</th>"));
}

TEST(LocatePage, HasNoColumnsForATrialThatWasNotMade) {
  LocateOutcome outcome = test::sample_locate();
  EXPECT_THAT(locate_page(report_of(outcome)), HasSubstr(">by edits</th>"));
  outcome.decision.trial.clear();
  const std::string page = locate_page(report_of(outcome));
  EXPECT_EQ(markup_fault(page), "");
  EXPECT_THAT(page, Not(HasSubstr(">by edits</th>")));
  EXPECT_THAT(page, HasSubstr(">by trace</th>"));
}

TEST(LocatePage, FactsThatAllScoreTheSameGiveNoInterval) {
  LocateOutcome outcome = test::sample_locate();
  const std::string row = "<td>layer 1</td><td>0.950</td>";
  EXPECT_THAT(locate_page(report_of(outcome)), HasSubstr(row + "<td>± 0.020</td></tr>"));
  outcome.decision.trial[0].ci95 = 0;
  EXPECT_THAT(locate_page(report_of(outcome)), HasSubstr(row + "<td>± ?</td></tr>"));
}

TEST(LocatePage, OfAnUndecidedRunHasNoSummary) {
  LocateOutcome outcome = test::sample_locate();
  outcome.ranking.clear();
  const std::string page = locate_page(report_of(outcome));
  EXPECT_EQ(markup_fault(page), "");
  EXPECT_THAT(page, Not(HasSubstr("class=\"summary\"")));
  EXPECT_THAT(page, Not(HasSubstr("Which layer to edit")));
}

TEST(LocatePictures, HaveNamesOfTheirOwn) {
  const ScratchFolder folder;
  const LocateOutcome outcome = test::sample_locate();
  const std::vector<std::filesystem::path> written = write_pictures(report_of(outcome), folder.path());
  std::vector<std::string> names;
  for (const std::filesystem::path& file : written) names.push_back(file.filename().string());
  EXPECT_THAT(names, testing::IsSupersetOf({"fact-0-block.svg", "fact-1-attention.svg", "average-mlp.svg",
                                            "role-last-subject-token.svg", "severed.svg", "ranking.svg",
                                            "trial.svg"}));
  for (const std::filesystem::path& file : written) {
    std::ifstream stream(file);
    const std::string svg((std::istreambuf_iterator<char>(stream)), {});
    EXPECT_EQ(markup_fault(svg), "") << file;
    EXPECT_THAT(svg, HasSubstr("svg { background: var(--paper); }"));
  }
}

}  // namespace
}  // namespace emend
