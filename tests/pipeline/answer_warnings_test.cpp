// Warnings about present answers, on states made by hand.
#include "pipeline/answer_warnings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emend {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

// An edit with `was` as the file gives it and as it was filled in, and what the base says.
std::vector<std::string> told(const std::string& given, const std::string& filled, const std::string& says) {
  EditRequest request;
  request.id = "capital";
  request.prompt = "The capital of Germany is";
  request.target = "Munich";
  request.was = given;
  EditRequest full = request;
  full.was = filled;
  FactState before;
  before.prompt.completion = says;
  return answer_warnings({request}, {full}, {before}, {false});
}

TEST(AnswerWarnings, AGivenAnswerIsWhatTheModelSays) {
  EXPECT_THAT(told("Berlin", "Berlin", " Berlin, and it is"), IsEmpty());
  EXPECT_THAT(told("Berlin", "Berlin", "Berlin"), IsEmpty());
  EXPECT_THAT(
      told("New Berlin on the Spree in Germany", "New Berlin on the Spree in Germany", " New Berlin on"),
      IsEmpty());
  EXPECT_THAT(
      told("Bonn", "Bonn", " Berlin, and it is"),
      ElementsAre("edit capital: `was` is \"Bonn\", but the model says \"Berlin, and it is\", so the checks "
                  "compare the target with an answer that the model does not give; correct `was`, or leave "
                  "it out"));
  EXPECT_THAT(told("Berl", "Berl", " Berlin"), SizeIs(1));
  EXPECT_THAT(told("Berlin", "Berlin", "\n"), ElementsAre(HasSubstr("but the model says nothing, so")));
}

TEST(AnswerWarnings, AFoundAnswerIsAnAnswer) {
  EXPECT_THAT(told("", "Berlin", " Berlin, and it is"), IsEmpty());
  EXPECT_THAT(told("", "Berlin", " Berlin and it is"), IsEmpty());
  EXPECT_THAT(told("", "", ""),
              ElementsAre("edit capital: its present answer is not known (the model says nothing "
                          "there); give `was`"));
  EXPECT_THAT(
      told("", "The", "The capital of Germany is"),
      ElementsAre(AllOf(StartsWith("edit capital: its present answer is not known (\"The\" was found"),
                        HasSubstr("the beginning of a sentence"))));
  EXPECT_THAT(told("", "Leonardo da", " Leonardo da Vinci."),
              ElementsAre(HasSubstr("looks like the beginning of a longer name: the model says \"Leonardo da "
                                    "Vinci.\"")));
}

TEST(AnswerWarnings, NeighboursShareOneForEachKind) {
  EditRequest request;
  request.id = "a";
  request.was = "x";
  request.neighbours = {{"p", "Paris"}, {"q", "Rome"}, {"r", "Bern"}, {"s", ""}};
  EditRequest full = request;
  full.neighbours[3].answer = "the";
  FactState before;
  before.prompt.completion = " x";
  before.neighbours = {
      {"Paris", 0.1, 0, " Lyon"}, {"Rome", 0.9, 0, " Rome."}, {"Bern", 0, 0, ""}, {"the", 0, 0, " the"}};
  EXPECT_THAT(
      answer_warnings({request}, {full}, {before}, {false}),
      ElementsAre(
          "edit a: 2 of its 4 neighbours have answers that the model does not give; the first is \"p\", "
          "where "
          "the model says \"Lyon\" and not \"Paris\"",
          AllOf(StartsWith("edit a: 1 of its 4 neighbours has no answer of its own; it is \"s\": \"the\" was "
                           "found"),
                HasSubstr("; give `answer`"))));
  EXPECT_THAT(answer_warnings({request}, {full}, {before}, {true}), IsEmpty()) << "it is true already";
}

TEST(AnswerWarnings, OfManyTheFirstAreTold) {
  std::vector<EditRequest> requests;
  for (int i = 0; i < 50; ++i) {
    EditRequest request;
    request.id = std::to_string(i);
    request.was = "no";
    requests.push_back(request);
  }
  const std::vector<std::string> warnings =
      answer_warnings(requests, requests, std::vector<FactState>(50), std::vector<bool>(50, false));
  ASSERT_THAT(warnings, SizeIs(21));
  EXPECT_EQ(warnings.back(), "30 more warnings of this kind, on present answers, are left out");
}

}  // namespace
}  // namespace emend
