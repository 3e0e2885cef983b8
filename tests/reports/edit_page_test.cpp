#include "reports/edit_page.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "../support/markup_check.h"
#include "pipeline/result_json.h"
#include "report/numbers.h"
#include "reports/edit_charts.h"
#include "sample_edit.h"

namespace emend {
namespace {

using test::sample_edit;
using test::sample_fact;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

// From a heading to the end of its section.
std::string section(const std::string& page, const std::string& heading) {
  const std::size_t begin = page.find("<h2>" + heading + "</h2>");
  return begin == std::string::npos ? "" : page.substr(begin, page.find("</section>", begin) - begin);
}

TEST(EditPage, IsWellFormedAndNeedsNothingElse) {
  const std::string page = edit_page(sample_edit());
  EXPECT_EQ(markup_fault(page), "");
  for (const char* part : {"<script", "src=", "href=", "url(", "@import"})
    EXPECT_THAT(page, Not(HasSubstr(part)));
  EXPECT_THAT(page, HasSubstr("color-scheme: light dark"));
  EXPECT_THAT(page, HasSubstr("@media (prefers-color-scheme: dark)"));
  EXPECT_THAT(page, HasSubstr("Made by emend 0.0.7."));
}

TEST(EditPage, SaysWhatABudgetLeftOut) {
  EditOutcome outcome = sample_edit();
  EXPECT_THAT(edit_page(outcome), Not(HasSubstr("Drift budget")));
  outcome.budget =
      BudgetOutcome{{DriftBudget::Measure::kPerplexity, 1.05, 2}, 4, {"dome", "<hall>"}, 1.03, 1.08};
  const std::string page = edit_page(outcome);
  EXPECT_EQ(markup_fault(page), "");
  EXPECT_THAT(page, HasSubstr("4 of 6 facts are in, at 1.03"));
  EXPECT_THAT(page, HasSubstr("Left out: dome and &lt;hall&gt; (the next ones would have taken it to 1.08"));
  outcome.budget->left_out.clear();
  outcome.budget->exceeded.reset();
  EXPECT_THAT(edit_page(outcome), Not(HasSubstr("Left out")));
}

TEST(EditPage, EscapesAllText) {
  const std::string page = edit_page(sample_edit());
  for (const char* part : {"<i>", "<2>", "<nan>", "<name>", "<value>", "<tower>"})
    EXPECT_THAT(page, Not(HasSubstr(part)));
  for (const char* part :
       {"the &lt;i&gt;tower&lt;/i&gt; stands in", "world&lt;2&gt;", "stayed at &lt;nan&gt;",
        "option &lt;name&gt;", "&lt;value&gt;", "keys of &lt;tower&gt; and arch"})
    EXPECT_THAT(page, HasSubstr(part));
}

TEST(EditPage, ShowsEveryFactWithItsStatus) {
  const std::string facts = section(edit_page(sample_edit()), "Facts");
  for (const char* id : {">tower</th>", ">arch</th>", ">forum</th>", ">gate</th>"})
    EXPECT_THAT(facts, HasSubstr(id));
  EXPECT_EQ(count(facts, ">edited</td>"), 2u);
  EXPECT_EQ(count(facts, ">already true</td>"), 1u);
  EXPECT_EQ(count(facts, " class=\"bad\">failed</td>"), 1u);
}

TEST(EditPage, ShowsTheNumbersOfTheJson) {
  const EditOutcome outcome = sample_edit();
  const std::string page = edit_page(outcome);
  const ResultJson edits = edits_json(outcome.patch.edit.facts);
  const auto cell = [](const ResultJson& number) {
    return fmt::format(">{}</td>", number.is_null() ? "-" : probability_text(number.get<double>()));
  };
  const std::string facts = section(page, "Facts"), answers = section(page, "Answers, before and after");
  for (const ResultJson& edit : edits) {
    for (const char* when : {"before", "after"})
      for (const char* what : {"p_target", "p_was"}) EXPECT_THAT(facts, HasSubstr(cell(edit[when][what])));
    for (const ResultJson& paraphrase : edit["paraphrases"])
      for (const char* when : {"before", "after"})
        for (const char* what : {"p_target", "p_was"})
          EXPECT_THAT(answers, HasSubstr(cell(paraphrase[when][what])));
    for (const ResultJson& neighbour : edit["neighbours"])
      for (const char* when : {"before", "after"})
        for (const char* what : {"p_answer", "p_target"})
          EXPECT_THAT(answers, HasSubstr(cell(neighbour[when][what])));
  }
  const std::string solved = section(page, "How it was solved");
  for (std::size_t i : {0, 1})
    for (const char* what : {"loss", "update_norm", "relative_norm"})
      EXPECT_THAT(solved, HasSubstr(">" + number_text(edits[i][what].get<double>()) + "</td>"));
}

TEST(EditPage, PrintsNoNaN) {
  EditOutcome outcome = sample_edit();
  outcome.patch.edit.facts[0].loss = outcome.patch.edit.facts[0].parts[0].relative_norm = NAN;
  outcome.patch.edit.facts[1].before->paraphrases[0].p_target = NAN;
  outcome.patch.edit.facts[1].after->neighbours[0].p_answer = NAN;
  outcome.patch.checks[0].value = NAN;
  outcome.patch.edit.solves[0].condition.reset();
  outcome.patch.edit.facts[3].reason = "";
  const std::string page = edit_page(outcome);
  EXPECT_EQ(markup_fault(page), "");
  for (const char* part : {">nan", "\"nan", " nan", ">inf", " inf<", "NaN"})
    EXPECT_THAT(page, Not(HasSubstr(part)));
}

// Of three facts that count, the failed one and none else does not hold; the target of `gate` has no
// probability.
TEST(EditPage, SumsUpWhatHolds) {
  const std::string page = edit_page(sample_edit());
  EXPECT_THAT(page,
              HasSubstr("<p class=\"summary\">2 of 3 edits, 1 of 2 paraphrases, 1 of 2 neighbours hold. The "
                        "model says the target on 1 of 2 paraphrases. True already, and left out: 1. The "
                        "search failed for gate. Failed: efficacy. The patch is "
                        "marked as failed. Not measured: drift.</p>"));
}

TEST(EditPage, SaysThatAllPassedAndThatThereWasNothingToDo) {
  EditOutcome outcome = sample_edit();
  outcome.patch.checks = {{"efficacy", 1.0, 1.0, true, 2}};
  outcome.patch.passed = true;
  EXPECT_THAT(edit_page(outcome), HasSubstr("Every check that was measured passed.</p>"));
  outcome.nothing_to_do = true;
  EXPECT_THAT(edit_page(outcome),
              HasSubstr("<p class=\"summary\">Every target is the model&#39;s answer already"));
  EXPECT_EQ(markup_fault(edit_page(EditOutcome{})), "");
}

TEST(EditPage, PutsWhatDoesNotHoldFirst) {
  const std::string answers = section(edit_page(sample_edit()), "Answers, before and after");
  const std::size_t arch = answers.find("<strong>arch</strong>"),
                    gate = answers.find("<strong>gate</strong>"),
                    tower = answers.find("<strong>tower</strong>");
  EXPECT_LT(arch, gate);
  EXPECT_LT(gate, tower);
  EXPECT_NE(tower, std::string::npos);
  EXPECT_THAT(answers, HasSubstr("does not hold: 1 of 1 paraphrases, 1 of 1 neighbours</span>"));
  EXPECT_THAT(answers, Not(HasSubstr("<strong>forum</strong>")));  // true already: nothing was edited
  EXPECT_EQ(count(answers, "<details open>"), 1u);
}

TEST(EditPage, TellsHowEachWeightWasSolved) {
  const std::string solved = section(edit_page(sample_edit()), "How it was solved");
  for (const char* part :
       {"of block 4<", "rank 2", "equality", "1.00e-05", "0.00123", "4321", "98765", "c0ffee", "stayed at"})
    EXPECT_THAT(solved, HasSubstr(part));
}

TEST(EditPage, TellsWhatItWasMadeWith) {
  const std::string made = section(edit_page(sample_edit()), "How it was made");
  for (const char* part : {"abcdef", ">rome<", ">written<", "self, seed 0; 15,360 keys", "auto (token 50256)",
                           ">float32<", ">5<", ">4,096<"})
    EXPECT_THAT(made, HasSubstr(part));
}

TEST(EditPage, OfManyFactsSaysHowManyItLeavesOut) {
  EditOutcome outcome = sample_edit();
  outcome.patch.edit.facts.clear();
  for (int i = 0; i < 203; ++i)
    outcome.patch.edit.facts.push_back(
        sample_fact("fact-" + std::to_string(i), "the tower stands in", FactStatus::kEdited));
  const std::string page = edit_page(outcome);
  EXPECT_THAT(section(page, "Facts"), HasSubstr(">fact-202</th>"));
  EXPECT_EQ(count(page, "<details"), 200u);
  EXPECT_THAT(page, HasSubstr("3 more facts are in the table above and in the JSON."));
}

TEST(AnswerCharts, DrawOneRowAPromptAndHistogramsOfMany) {
  std::vector<FactRecord> facts = sample_edit().patch.edit.facts;
  const std::vector<TitledChart> charts = answer_charts(facts);
  ASSERT_THAT(charts, SizeIs(3));
  EXPECT_THAT(charts[0].svg, HasSubstr(">arch</text>"));
  EXPECT_THAT(charts[0].svg, Not(HasSubstr("forum")));
  EXPECT_THAT(charts[0].svg, HasSubstr("2 of 3 hold after the edit"));
  EXPECT_THAT(charts[1].svg, HasSubstr("1 of 2 hold after the edit; the mean goes from 0.046 to 0.494."));
  EXPECT_THAT(charts[2].svg, HasSubstr("after: does not hold"));
  while (facts.size() < 60) facts.push_back(facts[0]);
  EXPECT_THAT(answer_charts(facts)[0].svg, Not(HasSubstr(">arch</text>")));
  EXPECT_THAT(answer_charts(facts)[0].svg, HasSubstr("<rect class=\"bar s1\""));
  EXPECT_THAT(answer_charts({}), IsEmpty());
}

TEST(NormCharts, CompareAtLeastTwoFacts) {
  std::vector<FactRecord> facts = sample_edit().patch.edit.facts;
  ASSERT_THAT(norm_charts(facts), SizeIs(1));
  EXPECT_THAT(norm_charts(facts)[0].svg, HasSubstr(">0.0577</text>"));
  facts.erase(facts.begin());
  EXPECT_THAT(norm_charts(facts), IsEmpty());
}

}  // namespace
}  // namespace emend
