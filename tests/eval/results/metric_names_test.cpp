#include "eval/results/metric_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "../../support/sample_results.h"

namespace emend {
namespace {

using testing::ElementsAre;

TEST(MetricNames, ComeInTheOrderOfReading) {
  EXPECT_THAT(metric_names({sample_summary("rome")}),
              ElementsAre("efficacy_success", "efficacy_generated", "efficacy_magnitude", "score", "fluency",
                          "rewrite_acc"));
}

TEST(MetricNames, OfTheOtherFormComeLast) {
  EvalSummary summary = sample_summary("rome");
  for (const char* name : {"raw_score", "raw_efficacy_natural", "raw_efficacy_success"})
    summary.metrics[name] = {0.5, 0.1, 2};
  EXPECT_THAT(metric_names({summary}),
              ElementsAre("efficacy_success", "efficacy_generated", "efficacy_magnitude", "score", "fluency",
                          "rewrite_acc", "raw_efficacy_success", "raw_score", "raw_efficacy_natural"));
}

TEST(MetricNames, TellTheirForm) {
  EXPECT_EQ(metric_in_form(PromptForm::kChat, "score"), "chat_score");
  EXPECT_EQ(form_of_metric("chat_score"), PromptForm::kChat);
  EXPECT_EQ(form_of_metric("raw_efficacy_success"), PromptForm::kRaw);
  EXPECT_EQ(form_of_metric("score"), std::nullopt);
  EXPECT_EQ(without_form("raw_efficacy_success"), "efficacy_success");
  EXPECT_EQ(without_form("choice_old_target"), "choice_old_target");
}

TEST(IsShare, KnowsTheNamesOfTheField) {
  for (const char* name : {"rewrite_acc", "locality_neighborhood", "portability_one_hop",
                           "neighbourhood_unchanged", "score", "efficacy_natural", "paraphrase_sampled",
                           "fact_check_all", "choice_bare_target", "raw_score", "chat_efficacy_success"})
    EXPECT_TRUE(is_share(name)) << name;
  for (const char* name : {"fluency", "consistency", "drift_kl", "neighbourhood_kl"})
    EXPECT_FALSE(is_share(name)) << name;
}

TEST(ChanceOfForm, IsThatOfDocsForms) {
  EXPECT_EQ(chance_of_form("fact_check_all"), 1.0 / 16);
  EXPECT_EQ(chance_of_form("fact_check_success"), 0.5);
  EXPECT_EQ(chance_of_form("choice_old_target"), 1.0 / 3);
  EXPECT_EQ(chance_of_form("negation_generated"), std::nullopt);
  EXPECT_EQ(chance_of_form("efficacy_success"), std::nullopt);
}

TEST(IsProportion, HoldsForSharesOfDrawnTexts) {
  EXPECT_TRUE(is_proportion("efficacy_sampled"));
  EXPECT_FALSE(is_proportion("efficacy_magnitude"));
  EXPECT_FALSE(is_proportion("bleed_success"));
}

TEST(FindFigure, PassesOverWhatHasNoRecords) {
  EvalSummary summary = sample_summary("rome"), unmeasured = summary;
  unmeasured.base["efficacy_success"].n = 0;
  EXPECT_EQ(find_figure(unmeasured.base, "efficacy_success"), nullptr);
  EXPECT_EQ(find_figure(summary.base, "fluency"), nullptr);
  const std::vector<EvalSummary> runs = {unmeasured, summary};
  EXPECT_EQ(find_base_figure(runs, "efficacy_success"), &runs[1].base.at("efficacy_success"));
}

}  // namespace
}  // namespace emend
