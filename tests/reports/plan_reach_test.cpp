#include "reports/plan_reach.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace emend {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

EditPlan::Entry entry(const std::string& id, double norm, double alpha) {
  EditPlan::Entry made;
  made.id = id;
  made.predicted_norm = norm;
  made.largest_neighbour_alpha = alpha;
  return made;
}

TEST(PlanReach, IsByTheShareOfTheNearestNeighbour) {
  EXPECT_EQ(reach_of(entry("a", 1, 0)), Reach::kUnknown);
  EXPECT_EQ(reach_of(entry("a", 1, 0.049)), Reach::kHardly);
  EXPECT_EQ(reach_of(entry("a", 1, 0.05)), Reach::kTouched);
  EXPECT_EQ(reach_of(entry("a", 1, 0.3)), Reach::kTouched) << "a plan warns of more than 0.3";
  EXPECT_EQ(reach_of(entry("a", 1, 0.31)), Reach::kReached);
}

TEST(PlanReach, IsToldFurthestFirst) {
  EditPlan plan;
  plan.entries = {entry("near", 0.1, 0.04), entry("far", 0.1, 0.94), entry("none", 0.1, 0)};
  const std::string text = reach_text(plan);
  EXPECT_LT(
      text.find(
          "far: a neighbour receives 94.0 % of the change, as a prompt does that names the same subject"),
      text.find("near: its neighbours are hardly reached: the nearest one receives 4.0 % of the change."));
  EXPECT_LT(text.find("none: no neighbours are given, so how far it reaches others is not known before it is "
                      "made"),
            text.find("far:"))
      << "it may reach furthest, and subjects under `bleed` are measured afterwards";
}

TEST(PlanReach, TellsWhatALargeNormAndASharedKeyMean) {
  EditPlan plan;
  plan.entries = {entry("a", 0.1, 0.01), entry("b", 0.1, 0.01), entry("c", 0.5, 0.01)};
  plan.entries[0].merged_with = {"b"};
  EXPECT_THAT(reach_text(plan), AllOf(HasSubstr("it is one change with b, whose key is the same"),
                                      HasSubstr("c: its neighbours are hardly reached"),
                                      HasSubstr("its change will be 5.0 times the usual one of this file")));
  plan.entries.resize(2);
  plan.entries[1].predicted_norm = 0.9;
  EXPECT_THAT(reach_text(plan), Not(HasSubstr("times the usual"))) << "two edits have no usual size";
}

TEST(PlanReach, TellsWhatOrdinaryTextReceivesWhereThatIsKnown) {
  EditPlan plan;
  plan.entries = {entry("a", 0.1, 0.01), entry("b", 0.1, 0)};
  EXPECT_THAT(reach_text(plan), Not(HasSubstr("ordinary text")));
  plan.entries[0].text_share = 0.0123;
  EXPECT_THAT(reach_text(plan),
              HasSubstr("receives 1.0 % of the change; ordinary text receives 1.2 % of it"));
}

TEST(PlanReach, OfManyEditsIsShort) {
  EditPlan plan;
  for (int i = 0; i < 40; ++i) plan.entries.push_back(entry("e" + std::to_string(i), 1, 0.01 * (i + 1)));
  const std::string text = reach_text(plan);
  EXPECT_THAT(text, AllOf(HasSubstr("  e39: "), HasSubstr("30 more reach no further than these"),
                          Not(HasSubstr("e3: "))));
}

// What is not known of an edit is not said to reach no further.
TEST(PlanReach, OfManyEditsCountsThoseThatMayReachFarApart) {
  EditPlan plan;
  for (int i = 0; i < 12; ++i) plan.entries.push_back(entry("none" + std::to_string(i), 1, 0));
  for (int i = 0; i < 3; ++i) plan.entries.push_back(entry("near" + std::to_string(i), 1, 0.9));
  plan.entries.push_back(entry("loud", 9, 0.01));
  const std::string text = reach_text(plan);
  EXPECT_THAT(text, AllOf(HasSubstr("  loud: "), HasSubstr("3 more of unknown reach"),
                          HasSubstr("3 more whose neighbours are named"), Not(HasSubstr("no further"))));
}

TEST(PlanReach, OfMethodsThatDoNotTellIsNothing) {
  EditPlan plan;
  plan.entries = {entry("a", 0, 0)};
  EXPECT_EQ(reach_text(plan), "");
}

}  // namespace
}  // namespace emend
