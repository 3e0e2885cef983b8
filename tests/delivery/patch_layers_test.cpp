// Edits that are written to several layers.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "delivery/patch_metadata.h"
#include "emend/patch_algebra.h"
#include "sample_patch.h"
#include "solved_patch.h"
#include "tests/base/expect_error.h"

namespace emend {
namespace {

using namespace test;
using testing::ElementsAre;
using testing::HasSubstr;

const LayerMoments kMoments = {{2, second_moment()}, {5, second_moment()}};

double gap(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

TEST(TwoLayers, ComeBackAsTheyWereSaved) {
  const ScratchFolder folder;
  const Patch saved = solved({fact("a", 1, {2, 5}), fact("b", 2, {5}), fact("c", 4, {2, 5})});
  save_patch(saved, folder / "p");
  const Patch loaded = load_patch(folder / "p");
  EXPECT_EQ(patch_metadata(loaded), patch_metadata(saved));
  ASSERT_EQ(loaded.edit.changes.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(at::equal(loaded.edit.changes[i].A, saved.edit.changes[i].A));
    EXPECT_TRUE(at::equal(loaded.edit.changes[i].B, saved.edit.changes[i].B));
  }
  ASSERT_EQ(loaded.edit.facts.size(), 3U);
  for (std::size_t f = 0; f < 3; ++f) {
    const FactRecord &one = saved.edit.facts[f], &two = loaded.edit.facts[f];
    ASSERT_EQ(two.parts.size(), one.parts.size());
    for (std::size_t i = 0; i < one.parts.size(); ++i) {
      EXPECT_TRUE(two.parts[i].weight == one.parts[i].weight);
      EXPECT_TRUE(at::equal(two.parts[i].keys, one.parts[i].keys));
      EXPECT_TRUE(at::equal(two.parts[i].answers, one.parts[i].answers));
      EXPECT_TRUE(at::equal(two.parts[i].residual, one.parts[i].residual));
      EXPECT_EQ(two.parts[i].rows, one.parts[i].rows);
    }
  }
  EXPECT_TRUE(diff_patches(saved, loaded).same);
}

TEST(TwoLayers, AreBothSolvedAgainWithoutADroppedFact) {
  const Patch all = solved({fact("a", 1, {2, 5}), fact("b", 2, {2, 5}), fact("c", 4, {5})});
  EXPECT_THAT(layers_to_solve(all, "b"), ElementsAre(2, 5));
  const Patch dropped = drop_fact(all, "b", kMoments);
  const Patch expected = solved({fact("a", 1, {2, 5}), fact("c", 4, {5})});
  ASSERT_EQ(dropped.edit.changes.size(), 2U);
  EXPECT_LT(gap(product(dropped, 0), product(expected, 0)), 1e-5);
  EXPECT_LT(gap(product(dropped, 1), product(expected, 1)), 1e-5);
  EXPECT_GT(gap(product(dropped, 0), product(all, 0)), 1e-2);
  EXPECT_GT(gap(product(dropped, 1), product(all, 1)), 1e-2);
  ASSERT_EQ(dropped.edit.solves.size(), 2U);
  EXPECT_THAT(dropped.edit.facts[1].parts[0].rows, ElementsAre(1));
  EXPECT_THAT(error_of(ErrorKind::kConfig,
                       [&] {
                         drop_fact(all, "b", {{2, second_moment()}});
                       }),
              HasSubstr("statistics of layer 5 are needed"));
}

TEST(TwoLayers, KeepALayerThatTheDroppedFactDidNotWrite) {
  const Patch all = solved({fact("a", 1, {2, 5}), fact("c", 4, {5})});
  EXPECT_THAT(layers_to_solve(all, "c"), ElementsAre(5));
  const Patch dropped = drop_fact(all, "c", kMoments);
  EXPECT_TRUE(at::equal(dropped.edit.changes[0].A, all.edit.changes[0].A));
  EXPECT_LT(gap(product(dropped, 1), product(solved({fact("a", 1, {2, 5})}), 1)), 1e-5);
}

TEST(TwoLayers, LoseTheLayerThatTheDroppedFactAloneWrote) {
  const Patch all = solved({fact("a", 1, {2, 5}), fact("c", 4, {5})});
  EXPECT_THAT(layers_to_solve(all, "a"), ElementsAre(5));
  const Patch dropped = drop_fact(all, "a", kMoments);
  ASSERT_EQ(dropped.edit.changes.size(), 1U);
  ASSERT_EQ(dropped.edit.solves.size(), 1U);
  EXPECT_EQ(dropped.edit.changes[0].weight.block, 5);
  EXPECT_EQ(dropped.edit.solves[0].weight.block, 5);
  EXPECT_LT(gap(product(dropped), product(solved({fact("c", 4, {5})}))), 1e-5);
}

TEST(TwoLayers, OfSeveralPatchesAreMergedEach) {
  const std::vector<Patch> parts = {solved({fact("a", 1, {2, 5})}), solved({fact("b", 2, {5})}),
                                    solved({fact("c", 4, {5, 7})})};
  EXPECT_THAT(layers_to_solve(parts), ElementsAre(5));
  const Patch merged = merge_patches(parts, {"one", "two", "three"}, kMoments);
  const Patch expected = solved({fact("a", 1, {2, 5}), fact("b", 2, {5}), fact("c", 4, {5, 7})});
  ASSERT_EQ(merged.edit.changes.size(), 3U);
  ASSERT_EQ(merged.edit.solves.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(merged.edit.changes[i].weight == expected.edit.changes[i].weight);
    EXPECT_TRUE(merged.edit.solves[i].weight == expected.edit.solves[i].weight);
    EXPECT_LT(gap(product(merged, i), product(expected, i)), 1e-5);
  }
  EXPECT_TRUE(at::equal(merged.edit.changes[0].A, parts[0].edit.changes[0].A));  // one patch alone changes it
  for (std::size_t f = 0; f < 3; ++f)
    for (std::size_t i = 0; i < merged.edit.facts[f].parts.size(); ++i)
      EXPECT_EQ(merged.edit.facts[f].parts[i].rows, expected.edit.facts[f].parts[i].rows);
}

TEST(TwoLayers, ConflictAtTheLayerWhoseKeyTheyShare) {
  const Patch one = solved({fact("a", 1, {2, 5})});
  FactRecord close = fact("z", 4, {2, 5});
  close.parts[1].keys = one.edit.facts[0].parts[1].keys;
  const auto conflicts = key_conflicts({one, solved({close})}, kSameKey);
  ASSERT_EQ(conflicts.size(), 1U);
  EXPECT_EQ(conflicts[0].layer, 5);
  EXPECT_THAT(error_of(ErrorKind::kConfig,
                       [&] {
                         merge_patches({one, solved({close})}, {"one", "two"}, kMoments);
                       }),
              HasSubstr("\"a\" (one) and \"z\" (two) at layer 5"));
}

TEST(TwoLayers, DifferByLayer) {
  const Patch one = solved({fact("a", 1, {2, 5})});
  Patch other = one;
  other.edit.facts[0].parts[1].residual = 2 * other.edit.facts[0].parts[1].residual;
  other.edit.changes[1].B = 2 * other.edit.changes[1].B;
  const PatchDifference difference = diff_patches(one, other);
  ASSERT_EQ(difference.facts.size(), 1U);
  EXPECT_THAT(difference.facts[0].what, ElementsAre("residual at layer 5 by 100 %"));
  ASSERT_EQ(difference.layers.size(), 2U);
  EXPECT_EQ(difference.layers[0].difference, 0);
  EXPECT_NEAR(difference.layers[1].difference, product(one, 1).norm().item<double>(), 1e-4);
  const PatchDifference fewer = diff_patches(one, solved({fact("a", 1)}));
  ASSERT_EQ(fewer.facts.size(), 1U);
  EXPECT_THAT(fewer.facts[0].what, ElementsAre("layers: 2, 5 / 2"));
  ASSERT_EQ(fewer.layers.size(), 2U);
  EXPECT_EQ(fewer.layers[1].second, 0);
}

TEST(TwoLayers, NormsOfAFactAreThoseOfAllItsParts) {
  FactRecord one = fact("a", 1, {2, 5});
  one.parts[0].update_norm = 3;
  one.parts[1].update_norm = 4;
  EXPECT_DOUBLE_EQ(one.update_norm(), 5);
  EXPECT_EQ(fact("a", 1).update_norm(), 1);
  EXPECT_EQ(one.layer(), 2);
  EXPECT_EQ(one.part_at({7, Role::kMlpDown}), nullptr);
}

}  // namespace
}  // namespace emend
