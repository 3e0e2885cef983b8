#include "reports/statistics_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emend {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

StatisticsOutcome outcome() {
  StatisticsOutcome found;
  found.folder = "made";
  found.report.source = "self, seed 0";
  found.report.outputs = {"made/layer_3.safetensors"};
  found.layers = {{3, 960, 12.5, {std::nullopt, 40.0, 7.5}}};
  return found;
}

TEST(StatisticsReport, ThePlanSaysWhenOnePassIsNotEnough) {
  StatisticsPlan plan;
  plan.passes = {{0, 1}};
  EXPECT_THAT(statistics_plan_text(plan), HasSubstr("Plan: 2 layers in 1 pass over"));
  EXPECT_THAT(statistics_plan_text(plan), Not(HasSubstr("do not fit")));
  plan.passes = {{0}, {1}};
  EXPECT_THAT(statistics_plan_text(plan),
              EndsWith(" The sums of all layers do not fit into the option memory at once."));
}

TEST(StatisticsReport, LayersAreListedAndWhatIsNotKnownSaysSo) {
  const std::string text = collected_text(outcome(), 0);
  EXPECT_THAT(text, HasSubstr("not known"));
  EXPECT_THAT(text, HasSubstr("it is known from 4 times d_ff keys on"));
  StatisticsOutcome known = outcome();
  known.layers[0].quality.error_estimate = 0.1;
  EXPECT_THAT(collected_text(known, 0), Not(HasSubstr("4 times d_ff")));
  EXPECT_THAT(text, EndsWith("Source: self, seed 0\nWritten to made\n"));
}

TEST(StatisticsReport, FiguresWithoutLeadingKeysStandBeside) {
  StatisticsSummary summary;
  summary.layers = outcome().layers;
  EXPECT_THAT(statistics_text(summary, 0), Not(HasSubstr("Without")));
  EXPECT_TRUE(statistics_json(summary, nullptr)["layers"][0]["leading_keys"].is_null());
  summary.layers[0].leading = LeadingKeys{1, 0.912, 1.1, 20.0, 150.0};
  EXPECT_THAT(statistics_text(summary, 0),
              HasSubstr("Layer 3: one direction of keys carries 91.2 % of the trace"));
  EXPECT_THAT(statistics_text(summary, 0),
              HasSubstr("Without it: trace 1.1000, condition 20.0, effective rank 150.\n"));
  EXPECT_EQ(statistics_json(summary, nullptr)["layers"][0]["leading_keys"]["directions"], 1);
}

TEST(StatisticsReport, FactorsAreNamed) {
  StatisticsSummary summary;
  summary.layers = outcome().layers;
  EXPECT_THAT(statistics_text(summary, 0), Not(HasSubstr("Kept beside")));
  summary.factors = {{3, false, 1e-5, "made/factor_3.safetensors", 18'900'000},
                     {3, true, 0, "made/spectrum_3.safetensors", 19'000'000},
                     {3, false, 0, "made/projector_3.safetensors", 19'000'000, 0.02}};
  const std::string text = statistics_text(summary, 0);
  EXPECT_THAT(text, HasSubstr("Kept beside the layers"));
  EXPECT_THAT(text, HasSubstr("layer 3: factor of C + "));
  EXPECT_THAT(text, HasSubstr("layer 3: eigenvectors ("));
  EXPECT_THAT(text, HasSubstr("spectrum_3.safetensors)"));
  EXPECT_THAT(text, HasSubstr("layer 3: projector onto eigenvalues below 0.02"));
  const ResultJson factors = statistics_json(summary, nullptr)["factors"];
  EXPECT_EQ(factors[0]["relative_ridge"], 1e-5);
  EXPECT_EQ(factors[1]["kind"], "spectrum");
  EXPECT_TRUE(factors[1]["relative_ridge"].is_null());
  EXPECT_TRUE(factors[1]["threshold"].is_null());
  EXPECT_EQ(factors[2]["kind"], "projector");
  EXPECT_TRUE(factors[2]["relative_ridge"].is_null());
  EXPECT_EQ(factors[2]["threshold"], 0.02);
}

TEST(StatisticsReport, DiagonalsAreNamed) {
  StatisticsSummary summary;
  summary.layers = {outcome().layers[0], outcome().layers[0]};
  summary.layers[1].layer = 4;
  EXPECT_THAT(statistics_text(summary, 0), Not(HasSubstr("diagonal")));
  EXPECT_EQ(statistics_json(summary, nullptr)["layers"][1]["diagonal"], false);
  summary.layers[1].diagonal = true;
  EXPECT_THAT(statistics_text(summary, 0), HasSubstr("Only the diagonal of C is known of the layers 4: "));
  summary.layers[0].diagonal = true;
  EXPECT_THAT(statistics_text(summary, 0), HasSubstr("Only the diagonal of C is known: "));
  EXPECT_EQ(statistics_json(summary, nullptr)["layers"][1]["diagonal"], true);
  EXPECT_THAT(exported_statistics_text({3}, "i.gguf"), HasSubstr("of 1 down projection: i.gguf"));
  EXPECT_EQ(exported_statistics_json({3, 4}, "i.gguf")["layers"].size(), 2U);
}

TEST(StatisticsReport, SumsAreToBeMerged) {
  StatisticsOutcome sums = outcome();
  sums.layers.clear();
  sums.has_until = true;
  EXPECT_THAT(collected_text(sums, 0),
              EndsWith("The text ended before the error asked for was reached.\nSums written to "
                       "made/layer_3.safetensors; merging makes the layers of them\n"));
}

TEST(StatisticsReport, MergedStatisticsNameNoModel) {
  StatisticsSummary summary;
  summary.source = "text";
  summary.written = "made";
  const ResultJson json = statistics_json(summary, nullptr);
  EXPECT_FALSE(json.contains("model"));
  EXPECT_EQ(json["outputs"], ResultJson::array({"made"}));
}

TEST(StatisticsReport, SpectraAreDrawn) {
  StatisticsSummary summary;
  summary.log_spectra[3] = {1.0, 0.0, -2.0};
  EXPECT_THAT(statistics_text(summary, 0), HasSubstr("layer 3  "));
  EXPECT_THAT(spectra_svg(summary), HasSubstr("<style>"));
  EXPECT_THAT(spectra_svg(summary), HasSubstr("svg { background: var(--paper); }"));
  EXPECT_EQ(statistics_json(summary, nullptr)["log10_spectrum"]["3"].size(), 3U);
}

}  // namespace
}  // namespace emend
