#include "reports/fact_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "measured.h"
#include "reports/bleed_report.h"

namespace emend {
namespace {

using test::Measured;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(FactReport, AFactIsALine) {
  Measured measured;
  measured.before.prompt = {0.01, 0.8, false, " Paris"};
  measured.after.prompt = {0.9, 0.05, true, " Rome"};
  EXPECT_THAT(facts_table(measured.list(), 0),
              AllOf(HasSubstr("tower"), HasSubstr("Paris -> Rome"), HasSubstr("edited")));
}

TEST(FactReport, AnswersThatBeginAlikeAreNamed) {
  Measured measured;
  EXPECT_THAT(facts_table(measured.list(), 0), Not(HasSubstr("begin alike")));
  measured.fact.request.target = measured.fact.request.was + " City";
  EXPECT_THAT(facts_table(measured.list(), 0), HasSubstr("The answers begin alike in tower: "));
}

TEST(FactReport, WhatIsLostIsListed) {
  Measured measured;
  measured.fact.request.paraphrases = {"the tower is in", "see the tower in", "behold the tower in"};
  measured.fact.request.neighbours = {{"the arch is in", "Paris"}, {"the forum is in", "Rome"}};
  measured.after.paraphrases = {
      {0.9, 0.1, true, " Rome"}, {0.2, 0.3, false, " Paris"}, {0.3, 0.2, false, " a"}};
  measured.after.neighbours = {{"Paris", 0.2, 0.5, " Rome"}, {"Rome", 0.5, 0.5, " Rome"}};
  EXPECT_THAT(lost_table(measured.list(), 0),
              AllOf(HasSubstr("Paraphrases: the target is likelier on 2 of 3, and said on 1 of 3. Neighbours "
                              "kept: 0 of 1.\n"),
                    HasSubstr("see the tower in"), HasSubstr("the arch is in"), HasSubstr("p(against)"),
                    HasSubstr("the arch is in    Paris       0.200  Rome          0.500"),
                    Not(HasSubstr("the tower is in")), Not(HasSubstr("the forum is in"))));
}

TEST(FactReport, NeighboursThatAreOtherSubjectsAreTold) {
  Measured measured;
  EditRequest& request = measured.fact.request;
  request.prompt = "The capital of France is";
  request.subject = "France";
  request.subject_begin = 15;
  request.was = "Paris";
  request.neighbours = {{"The capital of Spain is", "Madrid"}, {"The Louvre is in", "Paris"}};
  EXPECT_THAT(other_subject_neighbours_text(measured.list()),
              AllOf(HasSubstr("1 neighbour is an edit's own prompt about another subject"),
                    HasSubstr("\"The capital of Spain is\""), HasSubstr("`bleed`")));
  request.bleed = {{"Spain", "Madrid"}};
  EXPECT_EQ(other_subject_neighbours_text(measured.list()), "");
  request.bleed.clear();
  request.neighbours.erase(request.neighbours.begin());
  EXPECT_EQ(other_subject_neighbours_text(measured.list()), "");
}

TEST(FactReport, WhatWasTrueAlreadyIsNotCounted) {
  Measured measured;
  measured.fact.status = FactStatus::kAlreadyTrue;
  measured.fact.request.paraphrases = {"the tower is in"};
  measured.after.paraphrases = {{0.2, 0.3, false, " Paris"}};
  EXPECT_EQ(lost_table(measured.list(), 0),
            "Paraphrases: the target is likelier on 0 of 0, and said on 0 of 0. Neighbours kept: 0 of 0.\n");
}

TEST(FactReport, ChecksSayWhetherTheyWereMeasured) {
  EXPECT_THAT(
      checks_table({{"efficacy", 1.0, 1.0, true, 3},
                    {"neighbourhood", 0.5, 0.9, false, 4},
                    {"drift", std::nullopt, 1.02, false, 0}},
                   0),
      AllOf(HasSubstr("passed"), HasSubstr("FAILED"), HasSubstr("not measured"), HasSubstr("<= 1.02")));
}

}  // namespace
}  // namespace emend
