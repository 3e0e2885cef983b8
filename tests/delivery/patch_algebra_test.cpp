#include "emend/patch_algebra.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "emend/error.h"
#include "sample_patch.h"
#include "solved_patch.h"
#include "tests/base/expect_error.h"

namespace emend {
namespace {

using namespace test;
using testing::AllOf;
using testing::HasSubstr;

double gap(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

const LayerMoments kMoments = {{2, second_moment()}};

TEST(DropFact, EqualsASolveWithoutIt) {
  Patch all = solved({fact("a", 1), fact("b", 2), fact("c", 4)});
  all.edit.warnings = {"edit a: its neighbour is near", "edit b: its neighbour is near", "of all"};
  EXPECT_EQ(layers_to_solve(all, "b"), std::vector<int>{2});
  const Patch dropped = drop_fact(all, "b", kMoments);
  EXPECT_LT(gap(product(dropped), product(solved({fact("a", 1), fact("c", 4)}))), 1e-5);
  EXPECT_GT(gap(product(dropped), product(all)), 1e-2);
  ASSERT_EQ(dropped.edit.facts.size(), 2U);
  EXPECT_FALSE(dropped.passed);
  EXPECT_TRUE(dropped.checks.empty());
  EXPECT_THAT(dropped.edit.warnings, testing::ElementsAre("edit a: its neighbour is near", "of all",
                                                          HasSubstr("\"b\" was taken out")));
  const FactPart& a = dropped.edit.facts[0].parts[0];
  EXPECT_NEAR(a.update_norm, (a.residual.norm() * dropped.edit.changes[0].A[0].norm()).item<double>(), 1e-5);
  EXPECT_NEAR(a.relative_norm, a.update_norm / 2, 1e-6);  // the weight's norm stays 2
  EXPECT_EQ(dropped.edit.facts[1].parts[0].rows, std::vector<std::int64_t>{1});
}

// As EMMET: one fact by equality, several by least squares.
Patch exact_alone(const std::vector<FactRecord>& facts) {
  Patch patch = solved(facts);
  patch.edit.solves[0].lambda_of_several = 2;
  return patch;
}

TEST(DropFact, SolvesTheOneThatIsLeftAsOneIsSolved) {
  Patch both = exact_alone({fact("a", 1), fact("b", 2)});
  both.edit.solves[0].rule = SolveRule::kLeastSquares;
  both.edit.solves[0].lambda = 2;
  const ScratchFolder folder;
  save_patch(both, folder / "p.safetensors");
  const Patch dropped = drop_fact(load_patch(folder / "p.safetensors"), "b", kMoments);
  EXPECT_EQ(dropped.edit.solves[0].rule, SolveRule::kEquality);
  EXPECT_EQ(dropped.edit.solves[0].lambda, 0);
  EXPECT_EQ(dropped.edit.solves[0].lambda_of_several, 2);
  EXPECT_LT(gap(product(dropped), product(solved({fact("a", 1)}))), 1e-5);
}

TEST(MergePatches, SolveTwoAsSeveralAreSolved) {
  const Patch one = exact_alone({fact("a", 1)}), two = exact_alone({fact("b", 2)});
  const Patch merged = merge_patches({one, two}, {"one", "two"}, kMoments);
  EXPECT_EQ(merged.edit.solves[0].rule, SolveRule::kLeastSquares);
  EXPECT_EQ(merged.edit.solves[0].lambda, 2);
  EXPECT_GT(gap(product(merged), product(solved({fact("a", 1), fact("b", 2)}))), 1e-2);
  const Patch three = merge_patches({merged, exact_alone({fact("c", 4)})}, {"m", "three"}, kMoments);
  EXPECT_EQ(three.edit.changes[0].A.size(0), 3);
  const Patch back = drop_fact(drop_fact(three, "c", kMoments), "b", kMoments);
  EXPECT_LT(gap(product(back), product(one)), 1e-5);
}

TEST(DropFact, WithoutMomentsUsesTheIdentity) {
  Patch all = solved({fact("a", 1), fact("b", 2)});
  all.edit.solves[0].statistics_fingerprint.clear();
  EXPECT_TRUE(layers_to_solve(all, "b").empty());
  const Patch dropped = drop_fact(all, "b", {});
  const at::Tensor answers = at::mv(dropped.edit.changes[0].A, part(2, 1).keys[0]);
  EXPECT_NEAR(answers[0].item<float>(), 1, 1e-5);
}

TEST(DropFact, TakesTheRowWhereEachAnswersForItself) {
  Patch all = solved({fact("a", 1), fact("b", 2)});
  all.edit.solves[0].rule = SolveRule::kEachAlone;
  EXPECT_TRUE(layers_to_solve(all, "a").empty());
  const Patch dropped = drop_fact(all, "a", {});
  EXPECT_TRUE(at::equal(dropped.edit.changes[0].A, all.edit.changes[0].A.narrow(0, 1, 1)));
  EXPECT_EQ(dropped.edit.facts[0].parts[0].rows, std::vector<std::int64_t>{0});
}

TEST(DropFact, RefusesByName) {
  const Patch all = solved({fact("a", 1), fact("b", 2)});
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { drop_fact(all, "bb", kMoments); }),
              HasSubstr("no edit \"bb\""));
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { drop_fact(solved({fact("a", 1)}), "a", kMoments); }),
              HasSubstr("nothing would be left"));
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { drop_fact(all, "a", {}); }),
              HasSubstr("statistics of layer 2 are needed"));
  Patch shared = all;
  shared.edit.facts.push_back(fact("twin", 1));
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { drop_fact(shared, "a", kMoments); }),
              AllOf(HasSubstr("\"twin\""), HasSubstr("without a new search")));
}

TEST(MergePatches, EqualsASolveOfAll) {
  const std::vector<Patch> parts = {solved({fact("a", 1)}), solved({fact("b", 2), fact("c", 4)})};
  EXPECT_EQ(layers_to_solve(parts), std::vector<int>{2});
  const Patch merged = merge_patches(parts, {"one", "two"}, kMoments);
  EXPECT_LT(gap(product(merged), product(solved({fact("a", 1), fact("b", 2), fact("c", 4)}))), 1e-5);
  EXPECT_EQ(merged.edit.facts.size(), 3U);
  // What both hold is taken once.
  const Patch again = merge_patches({merged, parts[0]}, {"m", "one"}, kMoments);
  EXPECT_LT(gap(product(again), product(merged)), 1e-5);
  EXPECT_EQ(again.edit.facts.size(), 3U);
}

// A fact that was the answer already: no keys, no residual.
FactRecord true_fact(const std::string& id) {
  FactRecord result = fact(id, 1);
  result.status = FactStatus::kAlreadyTrue;
  result.parts[0].keys = result.parts[0].answers = result.parts[0].residual = at::Tensor();
  return result;
}

TEST(MergePatches, TakeAFactThatIsTrueAlreadyOnce) {
  Patch one = solved({fact("a", 1)}), two = solved({fact("b", 2)});
  for (Patch* const patch : {&one, &two}) patch->edit.facts.push_back(true_fact("t"));
  const Patch merged = merge_patches({one, two}, {"one", "two"}, kMoments);
  EXPECT_EQ(merged.edit.facts.size(), 3U);
  EXPECT_LT(gap(product(merged), product(solved({fact("a", 1), fact("b", 2)}))), 1e-5);
  two.edit.facts[1] = fact("t", 4);  // one of the two patches says that it had to be edited
  EXPECT_THAT(error_of(ErrorKind::kConfig,
                       [&] {
                         merge_patches({one, two}, {"one", "two"}, kMoments);
                       }),
              HasSubstr("the id \"t\" stands for another edit"));
}

// With `keys: original` each row answers for its own fact.
Patch row_by_row(const std::vector<FactRecord>& facts) {
  Patch patch = solved(facts);
  patch.edit.solves[0].rule = SolveRule::kEachAlone;
  std::vector<at::Tensor> A;
  for (const FactRecord& one : facts) {
    const at::Tensor key = one.parts[0].keys[0];
    A.push_back(key / key.dot(key));
  }
  patch.edit.changes[0].A = at::stack(A, 0);
  return patch;
}

TEST(MergePatches, OfRowsTakeWhatBothHoldOnce) {
  const Patch ab = row_by_row({fact("a", 1), fact("b", 2)}), bc = row_by_row({fact("b", 2), fact("c", 4)});
  const Patch all = row_by_row({fact("a", 1), fact("b", 2), fact("c", 4)});
  const Patch merged = merge_patches({ab, bc}, {"ab", "bc"}, {});
  EXPECT_EQ(merged.edit.facts.size(), 3U);
  EXPECT_EQ(merged.edit.changes[0].A.size(0), 3);
  EXPECT_LT(gap(product(merged), product(all)), 1e-6);
  const Patch twice = merge_patches({ab, ab}, {"ab", "again"}, {});
  EXPECT_LT(gap(product(twice), product(ab)), 1e-6);
}

class RegularisedRule : public testing::TestWithParam<SolveRule> {
 protected:
  Patch solved(const std::vector<FactRecord>& facts) const { return solved_by(how_, facts, C_); }

  const WeightSolve how_ = regularised(GetParam());
  const at::Tensor C_ = GetParam() == SolveRule::kNullSpace ? flat_moment() : second_moment();
  const LayerMoments moments_ = {{2, C_}};
};
INSTANTIATE_TEST_SUITE_P(Rules, RegularisedRule,
                         testing::Values(SolveRule::kLeastSquares, SolveRule::kNullSpace),
                         [](const auto& rule) {
                           return rule.param == SolveRule::kLeastSquares ? "LeastSquares" : "NullSpace";
                         });

TEST_P(RegularisedRule, DroppingEqualsASolveWithoutTheFact) {
  const Patch all = solved({fact("a", 1), fact("b", 2), fact("c", 4)});
  EXPECT_EQ(layers_to_solve(all, "b"), std::vector<int>{2});
  const Patch dropped = drop_fact(all, "b", moments_);
  EXPECT_LT(gap(product(dropped), product(solved({fact("a", 1), fact("c", 4)}))), 1e-6);
  EXPECT_GT(gap(product(dropped), product(all)), 1e-2);
  // What was taken out is more than the rows of the fact: the others are solved anew.
  EXPECT_GT(gap(dropped.edit.changes[0].A[0], all.edit.changes[0].A[0]), 1e-4);
  EXPECT_EQ(dropped.edit.solves[0].rule, GetParam());
}

TEST_P(RegularisedRule, MergingEqualsASolveOfAll) {
  const std::vector<Patch> parts = {solved({fact("a", 1)}), solved({fact("b", 2), fact("c", 4)})};
  EXPECT_EQ(layers_to_solve(parts), std::vector<int>{2});
  const Patch merged = merge_patches(parts, {"one", "two"}, moments_);
  EXPECT_LT(gap(product(merged), product(solved({fact("a", 1), fact("b", 2), fact("c", 4)}))), 1e-6);
}

TEST_P(RegularisedRule, DroppingADenseChangeIsTheSame) {
  Patch all = solved({fact("a", 1), fact("b", 2)});
  all.edit.changes[0] = WeightChange::dense({2, Role::kMlpDown}, product(all));
  for (FactRecord& one : all.edit.facts) one.parts[0].rows.clear();
  EXPECT_LT(gap(product(drop_fact(all, "b", moments_)), product(solved({fact("a", 1)}))), 1e-6);
}

TEST_P(RegularisedRule, IsStillKnownInAFile) {
  const ScratchFolder folder;
  Patch all = solved({fact("a", 1), fact("b", 2)});
  save_patch(all, folder / "p");
  const Patch loaded = load_patch(folder / "p");
  EXPECT_EQ(loaded.edit.solves[0].null_space_threshold, how_.null_space_threshold);
  EXPECT_LT(gap(product(drop_fact(loaded, "b", moments_)), product(solved({fact("a", 1)}))), 1e-6);
}

TEST_P(RegularisedRule, WhatIsMissingIsNamed) {
  const auto refused = [&](ErrorKind kind, const Patch& patch, const LayerMoments& moments) {
    return error_of(kind, [&] {
      layers_to_solve(patch, "a");
      drop_fact(patch, "a", moments);
    });
  };
  const Patch all = solved({fact("a", 1), fact("b", 2)});
  EXPECT_THAT(refused(ErrorKind::kConfig, all, {}),
              AllOf(HasSubstr("statistics of layer 2 are needed"), HasSubstr("layer_2.safetensors"),
                    HasSubstr("fingerprint cd")));
  Patch lacking = all;
  lacking.edit.solves[0].lambda = 0;
  const std::string rule = "rule \"" + std::string(to_string(GetParam())) + "\"";
  EXPECT_THAT(refused(ErrorKind::kModel, lacking, moments_), AllOf(HasSubstr(rule), HasSubstr("lambda")));
  EXPECT_THAT(error_of(ErrorKind::kModel, [&] { layers_to_solve({lacking, lacking}); }), HasSubstr("lambda"));
  if (GetParam() != SolveRule::kNullSpace) return;
  lacking = all;
  lacking.edit.solves[0].null_space_threshold = 0;
  EXPECT_THAT(refused(ErrorKind::kModel, lacking, moments_), HasSubstr("null_space_threshold"));
  lacking = all;
  lacking.edit.solves[0].statistics_fingerprint.clear();
  EXPECT_THAT(refused(ErrorKind::kModel, lacking, moments_), HasSubstr("fingerprint of the statistics"));
}

TEST(MergePatches, RecordOnlyWhatAllHaveInCommon) {
  Patch one = solved({fact("a", 1)}), two = solved({fact("b", 2)}), three = solved({fact("c", 4)});
  one.edit.options = {{"steps", "25"}, {"ridge", "0.01"}, {"first", "1"}};
  two.edit.options = {{"steps", "25"}, {"ridge", "0.5"}, {"second", "2"}};
  three.edit.options = {{"steps", "25"}, {"ridge", "0.01"}, {"second", "2"}};
  two.edit.method = "bulk";
  one.conditions = three.conditions = {{DeviceName()}, ComputeType::kFloat32, 7, 4096};
  two.conditions = {{DeviceName{DeviceKind::kCuda}}, ComputeType::kBfloat16, 0, 512};
  one.bos = three.bos = "auto";
  two.bos = "<s>";
  for (Patch* const patch : {&one, &two, &three}) patch->edit.facts[0].before = FactState{};
  const Patch merged = merge_patches({one, two, three}, {"one", "two", "three"}, kMoments);
  EXPECT_EQ(merged.edit.method, "rome+bulk");
  const std::map<std::string, std::string> options = {
      {"steps", "25"}, {"ridge", "mixed"}, {"first", "mixed"}, {"second", "mixed"}};
  EXPECT_EQ(merged.edit.options, options);
  EXPECT_EQ(merged.bos, "");
  EXPECT_TRUE(merged.conditions.devices.empty());
  EXPECT_EQ(merged.conditions.dtype, std::nullopt);
  EXPECT_EQ(merged.conditions.seed, std::nullopt);
  EXPECT_EQ(merged.conditions.token_budget, 0);
  EXPECT_FALSE(merged.edit.facts[0].before.has_value());  // numbers of two dtypes do not compare
  const Patch alike = merge_patches({one, three}, {"one", "three"}, kMoments);
  EXPECT_EQ(alike.conditions.dtype, ComputeType::kFloat32);
  EXPECT_EQ(alike.conditions.seed, 7U);
  EXPECT_TRUE(alike.edit.facts[0].before.has_value());
  // Merged once more, each method is named once.
  const Patch again = merge_patches({merged, solved({fact("d", 6)})}, {"m", "d"}, kMoments);
  EXPECT_EQ(again.edit.method, "rome+bulk");
}

TEST(MergePatches, AFactWithOtherAnswersIsAnotherEdit) {
  const Patch one = solved({fact("a", 1)});
  Patch other = one;
  other.edit.facts[0].parts[0].answers = at::tensor({1.0F, 0.5F});
  EXPECT_THAT(error_of(ErrorKind::kConfig,
                       [&] {
                         merge_patches({one, other}, {"one", "two"}, kMoments);
                       }),
              HasSubstr("same key"));
}

TEST(MergePatches, OfDifferentLayersKeepsEachChange) {
  const Patch other = solved({fact("b", 2, {5})});
  const Patch one = solved({fact("a", 1)});
  EXPECT_TRUE(layers_to_solve({one, other}).empty());
  const Patch merged = merge_patches({one, other}, {"one", "two"}, {});
  ASSERT_EQ(merged.edit.changes.size(), 2U);
  EXPECT_TRUE(at::equal(merged.edit.changes[0].A, one.edit.changes[0].A));
  EXPECT_TRUE(at::equal(merged.edit.changes[1].A, other.edit.changes[0].A));
}

TEST(MergePatches, OfDifferentStatisticsKeepThoseOfEachLayer) {
  Patch other = solved({fact("b", 2, {5})});
  other.edit.solves[0].statistics_fingerprint = "0f0f";
  const Patch one = solved({fact("a", 1)});
  EXPECT_EQ(merge_patches({one, solved({fact("c", 3)})}, {"p", "q"}, kMoments).edit.statistics_fingerprint(),
            "cd");
  const Patch merged = merge_patches({one, other}, {"one", "two"}, {});
  ASSERT_EQ(merged.edit.solves.size(), 2U);
  EXPECT_EQ(merged.edit.solve_of({2, Role::kMlpDown})->statistics_fingerprint, "cd");
  EXPECT_EQ(merged.edit.solve_of({5, Role::kMlpDown})->statistics_fingerprint, "0f0f");
  // A third one at layer 5 must be of the same statistics.
  const Patch third = solved({fact("c", 3, {5})});
  EXPECT_THAT(error_of(ErrorKind::kModel,
                       [&] {
                         merge_patches({merged, third}, {"m", "t"}, kMoments);
                       }),
              HasSubstr("the statistics of layer 5 differs"));
  // Also where the first patch has nothing at that layer.
  EXPECT_THAT(error_of(ErrorKind::kModel,
                       [&] {
                         merge_patches({one, other, third}, {"one", "two", "three"}, kMoments);
                       }),
              HasSubstr("the statistics of layer 5 differs"));
}

TEST(MergePatches, RefusesConflictsByName) {
  const Patch one = solved({fact("a", 1)});
  FactRecord same_key = fact("z", 1);
  same_key.parts[0].residual = waves({kModel}, 9);
  const auto refused = [&](ErrorKind kind, const Patch& other) {
    return error_of(kind, [&] { merge_patches({one, other}, {"one", "two"}, kMoments); });
  };
  EXPECT_THAT(refused(ErrorKind::kConfig, solved({same_key})),
              AllOf(HasSubstr("\"a\" (one) and \"z\" (two) at layer 2"), HasSubstr("same key")));
  FactRecord same_id = fact("a", 2);
  same_id.request.target = "another";
  EXPECT_THAT(refused(ErrorKind::kConfig, solved({same_id})),
              HasSubstr("two: the id \"a\" stands for another edit"));
  Patch other = solved({fact("b", 2)});
  other.edit.base_fingerprint = "ef";
  EXPECT_THAT(refused(ErrorKind::kModel, other),
              AllOf(HasSubstr("one and two"), HasSubstr("the base differs")));
  other = solved({fact("b", 2)});
  other.prefix = {1};
  EXPECT_THAT(refused(ErrorKind::kModel, other), HasSubstr("the prefix differs"));
  other = solved({fact("b", 2)});
  other.edit.solves[0].statistics_fingerprint = "ff";
  EXPECT_THAT(refused(ErrorKind::kModel, other), HasSubstr("the statistics of layer 2 differs"));
  other = solved({fact("b", 2)});
  other.edit.solves[0].relative_ridge = 0.5;
  EXPECT_THAT(
      refused(ErrorKind::kModel, other),
      HasSubstr(
          "the rule of solving of layer 2 differs (\"equality, ridge 0.01\" and \"equality, ridge 0.5\")"));
}

TEST(KeyConflicts, TellTheCosine) {
  const auto conflicts = key_conflicts({solved({fact("a", 1)}), solved({fact("a", 1)})}, 0.9);
  ASSERT_EQ(conflicts.size(), 1U);
  EXPECT_NEAR(conflicts[0].cosine, 1, 1e-6);
  EXPECT_TRUE(conflicts[0].same_edit);
  EXPECT_TRUE(key_conflicts({solved({fact("a", 1)}), solved({fact("b", 2)})}, 0.9).empty());
}

}  // namespace
}  // namespace emend
