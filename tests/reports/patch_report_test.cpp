#include "reports/patch_report.h"

#include <gtest/gtest.h>

#include "pipeline/result_json.h"
#include "sample_edit.h"

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

}  // namespace
}  // namespace emend
