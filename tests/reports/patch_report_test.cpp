#include "reports/patch_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/result_json.h"
#include "sample_edit.h"
#include "support/tiny_models.h"

namespace emend {
namespace {

TEST(PatchReport, AFactOfSeveralLayersNamesThemAll) {
  Patch patch = test::sample_edit().patch;
  FactRecord& several = patch.edit.facts.at(0);
  several.parts.emplace_back();
  several.parts[1].weight.block = 6;
  const ResultJson edits = patch_json(patch, "p.safetensors").at("edits");
  EXPECT_EQ(edits[0].at("layers"), ResultJson({4, 6}));
  EXPECT_EQ(edits[0].at("layers"), edits_json(patch.edit.facts)[0].at("layers"));
  EXPECT_FALSE(edits[1].contains("layers"));  // it changes one
}

TEST(PatchReport, LayersAreAddedWhereThereAreSeveral) {
  ResultJson one = {{"layer", 3}}, two = one;
  add_layers(one, std::vector<int>{3});
  add_layers(two, std::vector<int>{3, 5});
  EXPECT_EQ(one.dump(), R"({"layer":3})");
  EXPECT_EQ(two.dump(), R"({"layer":3,"layers":[3,5]})");
}

// Silence would read as if all of the update had been checked.
TEST(PatchReport, NamesTheWeightsWhoseUpdateIsNotChecked) {
  const Model model = Model::make_random(test::tiny_config("llama", 3), 1, {});
  VerifyOutcome outcome;
  outcome.patches.emplace_back();
  outcome.patches[0].name = "p";
  EXPECT_THAT(verified_text(outcome.patches[0], 0), testing::Not(testing::HasSubstr("not checked")));
  EXPECT_EQ(verify_json(outcome, model)["patches"][0]["update_not_checked"], ResultJson::array());
  WeightSolve solve;
  solve.weight = {4, Role::kMlpDown};
  solve.rule = SolveRule::kLeastSquares;
  outcome.patches[0].update_not_checked = {solve, solve};
  outcome.patches[0].update_not_checked[1].weight.block = 5;
  EXPECT_THAT(verified_text(outcome.patches[0], 0),
              testing::AllOf(testing::HasSubstr("The update was not checked at the "),
                             testing::HasSubstr("4 (least squares), the "),
                             testing::HasSubstr("5 (least squares):")));
  const ResultJson told = verify_json(outcome, model)["patches"][0]["update_not_checked"];
  EXPECT_EQ(told[1],
            ResultJson({{"layer", 5}, {"role", role_name(Role::kMlpDown)}, {"rule", "least squares"}}));
}

}  // namespace
}  // namespace emend
