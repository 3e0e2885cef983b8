// The public reports: a line, tables and JSON for every outcome.
#include "emend/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/sample_results.h"
#include "../support/tiny_models.h"
#include "base/json.h"
#include "sample_edit.h"
#include "sample_locate.h"

namespace emend {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

ApplyOutcome sample_apply() {
  ApplyOutcome outcome;
  outcome.plan.base = "base";
  outcome.plan.tensors.resize(1);
  outcome.plan.facts = {{0, "tower", {4, Role::kMlpDown}, 1, 1, 1, 0, 0}};
  outcome.written = "new";
  outcome.names = {"a.safetensors"};
  return outcome;
}

TEST(Report, AnEditIsOneLine) {
  EditOutcome outcome = test::sample_edit();
  EXPECT_EQ(brief_report(outcome),
            "rome: 2 of 4 facts edited, 1 already true, 1 failed; efficacy 0.500, paraphrase 0.500, drift "
            "not measured: FAILED");
  outcome.patch.passed = true;
  EXPECT_THAT(brief_report(outcome), EndsWith(": passed"));
  outcome.patch.edit.method = "a\nb";
  EXPECT_THAT(brief_report(outcome), StartsWith("a\\nb: "));
}

TEST(Report, OneFactIsNoPlural) {
  EditOutcome outcome = test::sample_edit();
  outcome.patch.edit.facts.resize(1);
  EXPECT_THAT(brief_report(outcome), StartsWith("rome: 1 of 1 fact edited; "));
  outcome.nothing_to_do = true;
  outcome.patch.edit.facts[0].status = FactStatus::kAlreadyTrue;
  EXPECT_EQ(brief_report(outcome), "rome: nothing to do, 0 of 1 fact edited, 1 already true");
}

TEST(Report, TheEditsJsonHasModelOutputsAndSeconds) {
  const Model model = test::tiny_model(test::tiny_config("llama"));
  EditOutcome outcome = test::sample_edit();
  outcome.seconds.total = 3.5;
  const Json json = Json::parse(to_json(outcome, model, {"p.safetensors"}));
  EXPECT_EQ(json.at("outputs"), Json::array({"p.safetensors"}));
  EXPECT_EQ(json.at("seconds").at("total"), 3.5);
  EXPECT_EQ(json.at("model"), Json::parse(to_json(model)));
  EXPECT_EQ(json.at("edits").size(), 4U);
  EXPECT_EQ(Json::parse(to_json(outcome, model)).at("outputs"), Json::array());
}

TEST(Report, APlanWithoutStatisticsNamesTheEdits) {
  PlanOutcome outcome;
  outcome.method = "rome";
  outcome.layers = {2};
  outcome.model_layers = 4;
  outcome.has_statistics = false;
  outcome.edits = {test::sample_edit().patch.edit.facts[0].request};
  outcome.before = {{"tower", {0.25, 0.5, false, " Paris, France"}, {}, {}}};
  outcome.already_true = {false};
  outcome.plan.entries = {{"tower", {2}, 0, 0, {}, 0, 0}};
  EXPECT_EQ(brief_report(outcome), "rome: 1 edit planned at layer 2, without statistics");
  EXPECT_THAT(full_report(outcome), AllOf(HasSubstr("tower"), HasSubstr("Rome"), HasSubstr("Paris, France"),
                                          HasSubstr("0.250"), HasSubstr("the model has 4.")));
}

TEST(Report, APlanNamesTheLayersThatHaveNoStatistics) {
  PlanOutcome outcome;
  outcome.layers = {1, 2, 3};
  outcome.has_statistics = false;
  outcome.statistics = "stats";
  EXPECT_THAT(full_report(outcome), HasSubstr("No statistics of layers 1, 2, 3 in stats: "));
  outcome.layers_without_statistics = {3};
  EXPECT_THAT(full_report(outcome), HasSubstr("No statistics of layer 3 in stats: "));
}

TEST(Report, APatchTellsTheSameWithAndWithoutItsFile) {
  const Patch patch = test::sample_edit().patch;
  Json with = Json::parse(to_json(patch, "p.safetensors"));
  EXPECT_EQ(with.at("path"), "p.safetensors");
  EXPECT_EQ(with.at("edits")[0].at("steps"), 14);
  EXPECT_EQ(with.at("edits")[0].at("before").at("p_target"), 0.0123);
  with.erase("path");
  EXPECT_EQ(with, Json::parse(to_json(patch)));
}

TEST(Report, FactsThatWereNotMeasuredTellWhatIsKnown) {
  Patch patch = test::sample_edit().patch;
  patch.edit.facts[0].after.reset();
  const Json fact = Json::parse(to_json(patch)).at("edits")[0];
  EXPECT_EQ(fact.at("steps"), 14);
  EXPECT_EQ(fact.at("update_norm"), 1.59);
  EXPECT_FALSE(fact.contains("before"));
}

TEST(Report, AWriteWithoutChecksNamesItsPatchesAndPassesNothing) {
  ApplyOutcome outcome = sample_apply();
  const Json json = Json::parse(to_json(outcome));
  EXPECT_EQ(json.at("base"), "base");
  EXPECT_EQ(json.at("written"), "new");
  EXPECT_TRUE(json.at("passed").is_null());
  ASSERT_EQ(json.at("patches").size(), 1U);
  EXPECT_EQ(json.at("patches")[0].at("path"), "a.safetensors");
  EXPECT_EQ(json.at("patches")[0].at("stored").size(), 1U);
  for (const char* key : {"edits", "checks", "difference", "passed"})
    EXPECT_TRUE(json.at("patches")[0].at(key).is_null()) << key;
  EXPECT_EQ(brief_report(outcome), "1 tensor written to new: not checked");
  outcome.passed = false;
  EXPECT_EQ(brief_report(outcome), "1 tensor written to new: FAILED");
}

TEST(Report, WhatStandsBesideAResultIsInItsJson) {
  const Model model = test::tiny_model(test::tiny_config("llama"));
  ComposeOutcome composed;
  composed.warnings = {"w"};
  InspectOutcome inspected;
  inspected.warnings = {"w"};
  AdapterOutcome adapter;
  adapter.warnings = {"w"};
  for (const std::string& text :
       {to_json(composed, model), to_json(inspected, model), to_json(adapter, model)})
    EXPECT_EQ(Json::parse(text).at("warnings"), Json::array({"w"}));
  LocateOutcome located = test::sample_locate();
  located.notes = {"n"};
  EXPECT_EQ(Json::parse(to_json(located, model)).at("notes"), Json::array({"n"}));
  located.result.missing = 3;
  const Json unfinished = Json::parse(to_json(located, model));
  EXPECT_EQ(unfinished.at("missing"), 3);
  EXPECT_FALSE(unfinished.contains("facts"));
  EXPECT_EQ(brief_report(located), "2 facts traced, 3 of other parts are not there yet");
}

TEST(Report, APlanOfStatisticsIsNoResult) {
  const Model model = test::tiny_model(test::tiny_config("llama"));
  StatisticsOutcome outcome;
  outcome.planned_only = true;
  outcome.plan.passes = {{0, 1}};
  outcome.plan.tokens = 1000;
  outcome.plan.source = "self, seed 0";
  outcome.remarks = {{PlanRemark::Kind::kWarning, "few"}, {PlanRemark::Kind::kNote, "twice"}};
  const Json json = Json::parse(to_json(outcome, model));
  EXPECT_EQ(json.at("warnings"), Json::array({"few"}));
  EXPECT_EQ(json.at("notes"), Json::array({"twice"}));
  EXPECT_FALSE(json.contains("layers"));
  EXPECT_EQ(brief_report(outcome), "1 pass over 1,000 tokens of self, seed 0 planned");
  EXPECT_THAT(full_report(outcome), StartsWith("Plan: 2 layers in 1 pass"));
}

TEST(Report, EveryOutcomeHasALineAndTables) {
  const Model model = test::tiny_model(test::tiny_config("llama"));
  const EditOutcome edit = test::sample_edit();
  VerifyOutcome verified;
  verified.patches = {{"p", edit.patch.edit.facts, edit.patch.checks, {}, 0.0, 0.0, true, true}};
  verified.passed = true;
  ComposeOutcome composed;
  composed.patch = edit.patch;
  InspectOutcome inspected;
  inspected.base_fingerprint = "f";
  inspected.patches.resize(2);
  inspected.patches[0].presence = PatchPresence::kContained;
  StatisticsSummary statistics;
  statistics.layers = {{3, 960, 12.5, {}}, {2, 960, 12.5, {}}};
  statistics.source = "text";
  ConvertOutcome converted;
  converted.asked.out = "o.yaml";
  converted.read = 3;
  converted.written = 2;
  const BenchmarkOutcome benchmark{"out", {sample_results("rome")}, {}};
  const Comparison comparison = compare_runs(sample_results("rome"), sample_results("memit"), {.draws = 10});
  ModelCheck check;
  check.refusal = Error(ErrorKind::kModel, "no\nmodel");
  const RevertOutcome reverted{"m", "m.undo", {"m/a"}};
  AbilityOutcome abilities;
  AbilityResult task{"arc", "ARC", "arc.jsonl", std::vector<ItemOutcome>(2), {}, 0};
  task.figures = {{"acc", MetricSummary{.mean = 0.5, .ci95 = 0.1, .n = 2}, std::nullopt, std::nullopt}};
  abilities.tasks = {task};

  EXPECT_EQ(brief_report(verified), "1 of 1 patch verified: passed");
  EXPECT_EQ(brief_report(inspected), "0 weights of the base changed; 1 of 2 patches contained");
  EXPECT_EQ(brief_report(statistics), "layers 2 to 3 over text");
  EXPECT_EQ(brief_report(converted), "2 of 3 records written to o.yaml");
  EXPECT_EQ(brief_report(abilities), "arc 50.0 % of 2 items");
  EXPECT_EQ(brief_report(check), "refused: no\\nmodel");
  EXPECT_EQ(brief_report(reverted), "1 file of m restored");
  EXPECT_THAT(brief_report(benchmark), StartsWith("rome: 2 records, score 80.0"));
  EXPECT_THAT(brief_report(comparison), HasSubstr("over 2 records in both"));
  EXPECT_THAT(brief_report(test::sample_locate()), "2 facts traced, 1 left out: layer 1, decided by edits");
  EXPECT_EQ(brief_report(ImatrixOutcome{{3}, "i.gguf"}), "importance matrix of 1 layer in i.gguf");
  EXPECT_EQ(brief_report(diff_patches(edit.patch, edit.patch)), "the same edits and changes");
  EXPECT_THAT(brief_report(summarize_model(model), model), HasSubstr("parameters"));

  for (const std::string& text :
       {full_report(edit), full_report(verified), full_report(composed), full_report(inspected),
        full_report(statistics), full_report(converted), full_report(benchmark), full_report(comparison),
        full_report(test::sample_locate()), full_report(sample_apply()), full_report(reverted),
        full_report(check), full_report(edit.patch), full_report(summarize_model(model), model)}) {
    ASSERT_FALSE(text.empty());
    EXPECT_EQ(text.back(), '\n') << text;
  }
  for (const std::string& text :
       {brief_report(edit), brief_report(verified), brief_report(composed), brief_report(inspected)})
    EXPECT_THAT(text, Not(HasSubstr("\n")));
}

}  // namespace
}  // namespace emend
