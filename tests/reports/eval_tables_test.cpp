#include "reports/eval_tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "../support/sample_results.h"

namespace emend {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(FigureText, PrintsSharesInPercent) {
  EXPECT_EQ(figure_text("efficacy_success", {0.975, 0.0123, 9}), "97.5 ± 1.2");
  EXPECT_EQ(figure_text("paraphrase_magnitude", {-0.5, 0, 9}), "-50.0 ± 0.0");
  EXPECT_EQ(figure_text("score", {0.8, kNaN, 9}), "80.0");
  EXPECT_EQ(figure_text("score", {kNaN, 0, 9}), "-");
}

// 50 % of two is no "50.0 ± 69.3": Wilson's interval for p = 1/2, n = 2 has the ends
// (1/2 + z^2/4 -+ z sqrt(1/8 + z^2/16)) / (1 + z^2/2).
TEST(FigureText, KeepsIntervalsInTheirRange) {
  EXPECT_EQ(figure_text("neighbourhood_success", {0.5, 0.693, 2}), "50.0 (9.5 to 90.5)");
  EXPECT_EQ(figure_text("efficacy_success", {0.9, 0.2, 10}), "90.0 (59.6 to 98.2)");
  EXPECT_EQ(figure_text("score", {0.9, 0.2, 10}), "90.0 (70.0 to 100.0)");
  EXPECT_EQ(figure_text("paraphrase_magnitude", {-0.1, 0.2, 10}), "-10.0 ± 20.0");
}

// z^2 / (n + z^2) is what n of n, or none, leave open.
TEST(FigureText, AllOfAFewIsNotSure) {
  EXPECT_EQ(figure_text("efficacy_success", {1, 0, 3}), "100.0 (43.8 to 100.0)");
  EXPECT_EQ(figure_text("efficacy_success", {0, 0, 3}), "0.0 (0.0 to 56.2)");
  EXPECT_EQ(figure_text("score", {1, 0, 3}), "100.0 (43.8 to 100.0)");
  EXPECT_EQ(figure_text("efficacy_success", {0.5, 0, 3}), "50.0 ± 0.0")
      << "shares of a record that are all alike";
}

TEST(FigureText, ZeroHasNoSign) {
  EXPECT_EQ(figure_text("paraphrase_magnitude", {-0.0, kNaN, 1}), "0.0");
  EXPECT_EQ(figure_text("paraphrase_magnitude", {-0.0004, kNaN, 1}), "0.0");
  EXPECT_EQ(figure_text("paraphrase_magnitude", {-0.0006, kNaN, 1}), "-0.1");
}

TEST(FigureText, OfOneRecordNoIntervalIsKnown) {
  EXPECT_EQ(figure_text("efficacy_success", {1, 0, 1}), "100.0 ± ?");
  EXPECT_EQ(figure_text("drift_perplexity", {1.01, 0, 1}), "1.010") << "measured once, of the whole model";
}

TEST(FigureText, PrintsOthersAsTheyAre) {
  EXPECT_EQ(figure_text("fluency", {6.125, 0.25, 9}), "6.12 ± 0.25");
  EXPECT_EQ(figure_text("fluency", {626.5, 12, 9}), "626 ± 12");
  EXPECT_EQ(figure_text("drift_perplexity", {1.0012, 0, 9}), "1.001");
  EXPECT_EQ(figure_text("drift_kl", {1.5e-6, 2e-7, 9}), "1.50e-06 ± 2.0e-07");
}

TEST(SummarySections, SetTeacherForcedBesideGenerated) {
  const auto sections = summary_sections({sample_summary("rome")});
  ASSERT_EQ(sections.size(), 3u);
  EXPECT_THAT(sections[0].columns, ElementsAre("", "success", "argmax", "generated", "magnitude", "n"));
  EXPECT_THAT(sections[0].rows,
              ElementsAre(ElementsAre("efficacy"),
                          ElementsAre("unedited", "0.0 (0.0 to 65.8)", "-", "-", "-89.0 ± 1.0", "2"),
                          ElementsAre("rome", "97.5 ± 1.2", "-", "50.0 ± 10.0", "-", "2")));
  EXPECT_THAT(sections[1].rows[2], ElementsAre("rewrite_acc, %", "-", "75.0 (19.8 to 97.3)", "2"));
  EXPECT_THAT(sections[2].rows,
              ElementsAre(ElementsAre("evaluated", "2"), ElementsAre("left out: already true", "1"),
                          ElementsAre("left out: subject not in its prompt", "4")));
}

// Chat stands first, whichever form the edits were made in.
TEST(SummarySections, SetBothFormsSideBySide) {
  const MetricSummary own{0.75, 0.1, 9}, other{0.25, 0.1, 9};
  for (const char* front : {"raw_", "chat_"}) {
    EvalSummary run = sample_summary("rome");
    run.base[std::string(front) + "efficacy_success"] = other;
    run.metrics["efficacy_success"] = own;
    run.metrics[std::string(front) + "efficacy_success"] = other;
    const auto sections = summary_sections({run});
    ASSERT_EQ(sections.size(), 4u);
    EXPECT_EQ(sections[1].title, "Both forms side by side");
    EXPECT_THAT(sections[1].columns, ElementsAre("", "chat form", "raw form", "n"));
    const bool chat = std::string(front) == "raw_";  // made in the chat form
    EXPECT_THAT(sections[1].rows[2], ElementsAre("rome", chat ? "75.0 ± 10.0" : "25.0 ± 10.0",
                                                 chat ? "25.0 ± 10.0" : "75.0 ± 10.0", "9"));
    for (const auto& row : sections[2].rows) EXPECT_THAT(row[0], testing::Not(HasSubstr(front)));
  }
}

TEST(SummarySections, TakeSeveralRuns) {
  EvalSummary other = sample_summary("memit");
  other.metrics["fluency"].n = 3;
  other.metrics.erase("score");
  other.skipped = {{"too long", 1}};
  const auto sections = summary_sections({sample_summary("rome"), other});
  EXPECT_THAT(sections[0].rows[3], ElementsAre("memit", "97.5 ± 1.2", "-", "50.0 ± 10.0", "-", "2"));
  EXPECT_THAT(sections[1].rows[0], ElementsAre("score, %", "-", "80.0 ± 0.0", "-", "2"));
  EXPECT_THAT(sections[1].rows[1], ElementsAre("fluency", "-", "6.12 ± 0.25", "6.12 ± 0.25", "2, 3"));
  EXPECT_THAT(sections[2].rows[3], ElementsAre("left out: too long", "0", "1"));
}

TEST(SummarySections, CountFailedEditsWhereThereAreAny) {
  EvalSummary failing = sample_summary("memit"), unknown = sample_summary("old"),
              none = sample_summary("rome");
  failing.failed = 1;
  none.failed = 0;
  const auto records = [](const std::vector<EvalSummary>& runs) {
    return summary_sections(runs).back().rows;
  };
  EXPECT_THAT(records({failing, unknown, none})[1], ElementsAre("of them failed", "1", "-", "0"));
  EXPECT_THAT(records({none})[1], ElementsAre("left out: already true", "1"));
}

TEST(SummaryText, SaysAllOfItOnATerminal) {
  const std::string text = summary_text({sample_summary("rome")}, 0);
  EXPECT_THAT(text, HasSubstr("\n  rome "));
  EXPECT_THAT(text, HasSubstr("Note: text was generated greedily\n"));
  EXPECT_THAT(text, HasSubstr("left out: already true"));
  EXPECT_THAT(summary_text({EvalSummary{}}, 80), HasSubstr("evaluated"));
}

TEST(Provenance, NamesWhatTheRunWasMadeWith) {
  std::string all;
  for (const auto& [name, value] : provenance(sample_summary("rome"))) all += name + "=" + value + "\n";
  for (const char* part :
       {"objective: written", "seed=18446744073709551615", "token budget=4,096", "emend=0.1.0",
        "data set=counterfact, counterfact.json, fingerprint bbbb", "statistics=fingerprint cccc"})
    EXPECT_THAT(all, HasSubstr(part));
  EvalSummary plain = sample_summary("rome");
  plain.statistics_fingerprint.clear();
  plain.options.clear();
  all.clear();
  for (const auto& [name, value] : provenance(plain)) all += name + "=" + value + "\n";
  EXPECT_THAT(all, HasSubstr("statistics=none (C = I)"));
  EXPECT_THAT(all, HasSubstr("options=none"));
}

}  // namespace
}  // namespace emend
