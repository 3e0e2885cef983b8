// How two patches differ: settings, solves, facts and changes.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "emend/patch_algebra.h"
#include "sample_patch.h"
#include "solved_patch.h"

namespace emend {
namespace {

using namespace test;
using testing::ElementsAre;

TEST(DiffPatches, SaysHowTheWeightsWereSolved) {
  const Patch one = solved({fact("a", 1)});
  Patch other = one;
  other.edit.solves[0] = regularised(SolveRule::kNullSpace);
  other.edit.solves[0].statistics_fingerprint = "ef";
  const PatchDifference difference = diff_patches(one, other);
  EXPECT_FALSE(difference.same);
  EXPECT_THAT(difference.settings,
              ElementsAre("statistics: cd / ef", "rule: equality / null space", "ridge: 0.01 / none",
                          "lambda: none / 0.3", "null space below: none / 0.01"));
}

TEST(DiffPatches, NamesTheLayerWhereSolvesOfOnePatchDiffer) {
  const Patch one = solved({fact("a", 1, {2, 5})});
  Patch other = one;
  other.edit.solves[1].rule = SolveRule::kEachAlone;
  other.edit.solves[1].relative_ridge = 0.5;
  EXPECT_THAT(diff_patches(one, other).settings,
              ElementsAre("rule of layer 5: equality / each alone", "ridge of layer 5: 0.01 / 0.5"));
}

TEST(DiffPatches, AChangeTooSmallForNormsIsADifference) {
  const auto with_entry = [](float entry) {
    Patch patch = solved({fact("a", 1)});
    patch.edit.changes[0].A = patch.edit.changes[0].A.clone();
    patch.edit.changes[0].A[0][0] = entry;
    return patch;
  };
  const PatchDifference difference = diff_patches(with_entry(1e-12F), with_entry(2e-12F));
  EXPECT_EQ(difference.layers[0].difference, 0);  // it cancels
  EXPECT_FALSE(difference.same);
  EXPECT_TRUE(diff_patches(with_entry(1e-12F), with_entry(1e-12F)).same);
}

TEST(DiffPatches, ComparesAllOfARequestAndTheAnswers) {
  const Patch one = solved({fact("a", 1)});
  const auto what = [&](const auto& change) {
    Patch other = one;
    change(other.edit.facts[0]);
    const PatchDifference difference = diff_patches(one, other);
    EXPECT_FALSE(difference.same);
    return difference.facts.empty() ? std::vector<std::string>{} : difference.facts[0].what;
  };
  EXPECT_THAT(what([](FactRecord& fact) { fact.request.subject_begin = 0; }),
              ElementsAre("place of the subject: 2 / 0"));
  EXPECT_THAT(what([](FactRecord& fact) { fact.request.paraphrases = {"q"}; }),
              ElementsAre("other paraphrases"));
  EXPECT_THAT(what([](FactRecord& fact) {
                fact.request.neighbours = {{"n", "x"}};
              }),
              ElementsAre("other neighbours"));
  EXPECT_THAT(what([](FactRecord& fact) {
                fact.parts[0].answers = at::tensor({1.0F, 1.0F});
              }),
              ElementsAre("answers by 100 %"));
}

TEST(DiffPatches, SaysWhatDiffers) {
  const Patch one = solved({fact("a", 1), fact("b", 2)});
  EXPECT_TRUE(diff_patches(one, one).same);
  Patch other = solved({fact("a", 1), fact("c", 4)});
  other.edit.facts[0].request.target = "u";
  other.edit.options["ridge"] = "0.5";
  const PatchDifference difference = diff_patches(one, other);
  EXPECT_FALSE(difference.same);
  EXPECT_EQ(difference.settings, std::vector<std::string>{"option ridge: 0.01 / 0.5"});
  ASSERT_EQ(difference.facts.size(), 3U);
  EXPECT_EQ(difference.facts[0].what, std::vector<std::string>{"target: t / u"});
  EXPECT_EQ(difference.facts[1].what, std::vector<std::string>{"only in the first"});
  EXPECT_EQ(difference.facts[2].what, std::vector<std::string>{"only in the second"});
  ASSERT_EQ(difference.layers.size(), 1U);
  const at::Tensor x = product(one), y = product(other);
  EXPECT_NEAR(difference.layers[0].difference, (x - y).norm().item<double>(), 1e-4);
  EXPECT_NEAR(difference.layers[0].cosine, ((x * y).sum() / (x.norm() * y.norm())).item<double>(), 1e-5);
}

// What is told of facts, found the plain way: each with every other one.
std::vector<FactDifference> facts_pair_by_pair(const Patch& a, const Patch& b) {
  std::vector<FactDifference> list;
  const auto find = [](const Patch& patch, const std::string& id) -> const FactRecord* {
    for (const FactRecord& fact : patch.edit.facts)
      if (fact.request.id == id) return &fact;
    return nullptr;
  };
  for (const FactRecord& fact : a.edit.facts) {
    const FactRecord* const other = find(b, fact.request.id);
    if (other == nullptr) {
      list.push_back({fact.request.id, {"only in the first"}});
      continue;
    }
    FactDifference difference{fact.request.id, {}};
    if (fact.request.target != other->request.target)
      difference.what.push_back("target: " + fact.request.target + " / " + other->request.target);
    if (!at::equal(fact.parts[0].residual, other->parts[0].residual))
      difference.what.emplace_back("residual by 100 %");
    if (!difference.what.empty()) list.push_back(difference);
  }
  for (const FactRecord& fact : b.edit.facts)
    if (find(a, fact.request.id) == nullptr) list.push_back({fact.request.id, {"only in the second"}});
  return list;
}

// Thousands of facts, in another order in the second patch: every 97th is missing there and every 89th in the
// first, every 83rd has another target and every 79th twice the residual.
TEST(DiffPatches, FindsEveryFactAmongThousands) {
  constexpr int kFacts = 4000;
  Patch one = solved({fact("a", 1)}), other = one;
  one.edit.facts.clear();
  other.edit.facts.clear();
  for (int i = 0; i < kFacts; ++i) {
    const int j = (i * 7 + 3) % kFacts;
    if (i % 89 != 0) one.edit.facts.push_back(fact("fact-" + std::to_string(i), i));
    if (j % 97 == 0) continue;
    other.edit.facts.push_back(fact("fact-" + std::to_string(j), j));
    FactRecord& changed = other.edit.facts.back();
    if (j % 83 == 0) changed.request.target = "u";
    if (j % 79 == 0) changed.parts[0].residual = changed.parts[0].residual * 2;
  }
  const std::vector<FactDifference> found = diff_patches(one, other).facts,
                                    plain = facts_pair_by_pair(one, other);
  ASSERT_EQ(found.size(), plain.size());
  ASSERT_GT(found.size(), 150U);
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].id, plain[i].id);
    EXPECT_EQ(found[i].what, plain[i].what) << found[i].id;
  }
}

TEST(DiffPatches, OfTwoFactsWithOneIdTakesTheFirst) {
  Patch one = solved({fact("a", 1)}), other = solved({fact("a", 1)});
  other.edit.facts.push_back(fact("a", 1));
  other.edit.facts[1].request.target = "u";
  EXPECT_TRUE(diff_patches(one, other).facts.empty());
}

}  // namespace
}  // namespace emend
