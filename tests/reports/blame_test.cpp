// Which edits a failed check is due to, and what to do about it.
#include "reports/blame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "measured.h"

namespace emend {
namespace {

using test::Measured;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// An edit that holds, with so many neighbours, of which some are lost.
FactRecord edit_with(const std::string& id, int lost, int neighbours) {
  Measured measured;
  measured.fact.request.id = id;
  measured.after.prompt = {0.9, 0.1, true, " Rome"};
  for (int i = 0; i < neighbours; ++i) {
    measured.fact.request.neighbours.push_back({id + " neighbour " + std::to_string(i), "Paris"});
    measured.after.neighbours.push_back(i < lost ? FactState::NeighbourState{"Paris", 0.1, 0.8, " Rome"}
                                                 : FactState::NeighbourState{"Paris", 0.8, 0.1, " Paris"});
  }
  return measured.list().front();
}

CheckResult failed(const std::string& name, double value, double threshold) {
  return {name, value, threshold, false, 10};
}

TEST(Blame, NamesTheWorstEditsUntilTheCheckWouldPass) {
  const std::vector<FactRecord> facts = {edit_with("fine", 0, 4), edit_with("worst", 3, 4),
                                         edit_with("bad", 2, 4), edit_with("nearly", 1, 4)};
  const std::vector<Blame> blames = blame_of(facts, {failed("neighbourhood", 10.0 / 16, 0.85)});
  ASSERT_THAT(blames, SizeIs(1));
  EXPECT_EQ(blames[0].check, "neighbourhood");
  EXPECT_THAT(blames[0].ids, ElementsAre("worst", "bad"));  // then 7 of 8 are kept
  EXPECT_EQ(blames[0].worst, "3 of its 4 neighbours are lost");
  EXPECT_TRUE(blames[0].leaves_any);
}

TEST(Blame, AnEditThatStandsAloneCannotBeLeftOut) {
  const std::vector<Blame> blames = blame_of({edit_with("only", 1, 1)}, {failed("neighbourhood", 0, 0.9)});
  ASSERT_THAT(blames, SizeIs(1));
  EXPECT_FALSE(blames[0].leaves_any);
  EXPECT_EQ(blames[0].worst, "1 of its 1 neighbours is lost");
}

TEST(Blame, ParaphrasesThatAreNotSaidAreToldApartFromThoseThatDoNotHold) {
  Measured measured;
  measured.fact.request.paraphrases = {"one", "two"};
  measured.after.prompt = {0.9, 0.1, true, " Rome"};
  measured.after.paraphrases = {{0.5, 0.1, true, " Rome"}, {0.5, 0.1, false, " a"}};
  const std::vector<Blame> blames =
      blame_of(measured.list(), {{"paraphrase", 1.0, 0.8, true, 2}, failed("said", 0.5, 0.8)});
  ASSERT_THAT(blames, SizeIs(1));
  EXPECT_EQ(blames[0].worst, "1 of its 2 paraphrases is not answered with the target");
  measured.after.paraphrases = {{0.1, 0.5, false, " a"}, {0.1, 0.5, false, " a"}};
  const std::vector<Blame> lost = blame_of(measured.list(), {failed("paraphrase", 0, 0.8)});
  ASSERT_THAT(lost, SizeIs(1));
  EXPECT_EQ(lost[0].worst, "2 of its 2 paraphrases do not hold");
}

TEST(Blame, WhatPassedOrWasNotMeasuredIsDueToNobody) {
  EXPECT_THAT(blame_of({edit_with("a", 1, 2)},
                       {{"neighbourhood", 0.5, 0.5, true, 2}, {"drift", std::nullopt, 1.02, false, 0}}),
              IsEmpty());
}

TEST(Blame, DriftIsLookedForInTheLargestUpdate) {
  const std::vector<Blame> blames = blame_of({edit_with("a", 0, 1)}, {failed("drift", 1.5, 1.02)});
  ASSERT_THAT(blames, SizeIs(1));
  EXPECT_THAT(blames[0].ids, ElementsAre("a"));
}

}  // namespace
}  // namespace emend
