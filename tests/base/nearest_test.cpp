#include "base/nearest.h"

#include <gtest/gtest.h>

namespace emend {
namespace {

const std::vector<std::string> kMethods = {"rome", "r-rome", "memit", "pmet", "fine-tune"};

TEST(EditDistance, CountsSlips) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("memit", "meimt"), 1u);  // a swap
  EXPECT_EQ(edit_distance("rome", "rome"), 0u);
}

TEST(EditDistance, IsSymmetric) {
  EXPECT_EQ(edit_distance("saturday", "sunday"), edit_distance("sunday", "saturday"));
}

TEST(NearestName, FindsTheSlip) {
  EXPECT_EQ(nearest_name("roem", kMethods), "rome");
  EXPECT_EQ(nearest_name("MEMIT", kMethods), "memit");
  EXPECT_EQ(nearest_name("finetune", kMethods), "fine-tune");
}

TEST(NearestName, KnowsANameWithAnAddition) {
  EXPECT_EQ(did_you_mean("target_new", {"prompt", "target"}), "; did you mean \"target\"?");
  EXPECT_EQ(did_you_mean("targets_of_all", {"prompt", "target"}), "; known: prompt, target");
  EXPECT_EQ(did_you_mean("_new", {"", "target"}), "; known: , target");
}

TEST(NearestName, FarNamesAreNotOffered) {
  EXPECT_FALSE(nearest_name("gradient", kMethods));
  EXPECT_FALSE(nearest_name("", kMethods));
  EXPECT_FALSE(nearest_name("x", {"a", "b"}));
  EXPECT_FALSE(nearest_name("rome", {}));
}

TEST(NearestName, TheFirstOfEquallyNearOnesWins) {
  EXPECT_EQ(nearest_name("cat", {"car", "bat"}), "car");
}

TEST(NearestName, HugeNamesCostNothing) {
  EXPECT_FALSE(nearest_name(std::string(10'000'000, 'x'), {std::string(10'000'000, 'x')}));
}

TEST(DidYouMean, OffersTheNearestElseAll) {
  EXPECT_EQ(did_you_mean("roem", kMethods), "; did you mean \"rome\"?");
  EXPECT_EQ(did_you_mean("gradient", {"rome", "memit"}), "; known: rome, memit");
  EXPECT_EQ(did_you_mean("gradient", {}), "");
}

}  // namespace
}  // namespace emend
