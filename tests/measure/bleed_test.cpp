// Bleed of states made by hand, and the texts that a request is protected from.
#include "emend/bleed.h"

#include <gmock/gmock.h>

#include <limits>
#include <set>

#include "base/expect_error.h"
#include "measure/other_subjects.h"
#include "measure/subject_names.h"
#include "support/world.h"

namespace emend {
namespace {

using test::error_of;
using test::request_of;
using ::testing::HasSubstr;

FactState::OtherSubjectState other(const std::string& subject, double p_answer, double p_target,
                                   bool answers = true) {
  return {subject, "own", p_answer, p_target, answers, "text"};
}

FactRecord fact_with(std::vector<FactState::OtherSubjectState> before,
                     std::vector<FactState::OtherSubjectState> after) {
  FactRecord fact;
  fact.request = request_of("france", "The capital of France is", "France", "Rome");
  for (const auto& state : before) fact.request.bleed.push_back({state.subject, state.answer});
  fact.before = FactState{"france", {}, {}, {}, std::move(before)};
  fact.after = FactState{"france", {}, {}, {}, std::move(after)};
  return fact;
}

TEST(Bleed, IsTheRiseOfTheTargetAndTheFallOfTheOwnAnswer) {
  const std::vector<FactRecord> facts = {
      fact_with({other("Germany", 0.8, 0.01), other("Spain", 0.7, 0.02)},
                {other("Germany", 0.25, 0.41), other("Spain", 0.75, 0.01)})};
  const std::vector<SubjectBleed> bleeds = bleed_of(facts);
  const BleedSummary summary = summarise(bleeds);
  EXPECT_EQ(summary.n, 2);
  EXPECT_NEAR(summary.worst, 0.40, 1e-12);
  EXPECT_EQ(summary.worst_at->subject, "Germany");
  EXPECT_NEAR(summary.mean, 0.20, 1e-12) << "a fall of the target does not make up for a rise elsewhere";
  EXPECT_NEAR(summary.worst_fall, 0.55, 1e-12);
  EXPECT_NEAR(summary.mean_fall, 0.275, 1e-12);
  EXPECT_EQ(summary.unknown, 0);
}

TEST(Bleed, AnAnswerThatTheBaseDoesNotGiveShowsNothing) {
  const std::vector<FactRecord> facts = {
      fact_with({other("Germany", 0.1, 0, false)}, {other("Germany", 0.0, 0.2, false)})};
  const std::vector<SubjectBleed> bleeds = bleed_of(facts);
  const BleedSummary summary = summarise(bleeds);
  EXPECT_FALSE(bleeds[0].fall.has_value());
  EXPECT_EQ(summary.unknown, 1);
  EXPECT_EQ(summary.worst_fall_at, nullptr);
  EXPECT_NEAR(summary.worst, 0.2, 1e-12) << "but the target has risen";
}

TEST(Bleed, APromptThatIsEditedItselfHasNoFall) {
  FactRecord france = fact_with({other("Germany", 0.8, 0)}, {other("Germany", 0.0, 0.01)});
  FactRecord germany;
  germany.request = request_of("germany", "The capital of Germany is", "Germany", "Bonn");
  const std::vector<SubjectBleed> bleeds = bleed_of({france, germany});
  ASSERT_EQ(bleeds.size(), 1u);
  EXPECT_FALSE(bleeds[0].fall.has_value());
}

TEST(Bleed, TheCheckIsAboutTheWorstRise) {
  const FactRecord fact = fact_with({other("Germany", 0.8, 0.01), other("Spain", 0.7, 0)},
                                    {other("Germany", 0.8, 0.06), other("Spain", 0.7, 0)});
  const auto check = [&](double threshold, const std::vector<bool>& skipped = {false}) {
    return check_bleed({fact.request}, {*fact.before}, {*fact.after}, skipped, threshold);
  };
  EXPECT_NEAR(*check(0.05)->value, 0.05, 1e-12);
  EXPECT_EQ(check(0.05)->n, 2);
  EXPECT_TRUE(check(0.06)->passed);
  EXPECT_FALSE(check(0.04)->passed);
  EXPECT_FALSE(check(0.05, {true})->value.has_value()) << "a fact that was true already is not counted";
  EXPECT_FALSE(check_bleed({request_of("a", "p s", "s", "t")}, {{}}, {{}}, {false}, 0.05).has_value())
      << "without other subjects the checks are four";
}

TEST(Bleed, WhatIsNoNumberDoesNotPass) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  const FactRecord fact = fact_with({other("Germany", 0.8, 0.01), other("Spain", 0.7, 0)},
                                    {other("Germany", 0.8, kNaN), other("Spain", 0.7, 0.5)});
  EXPECT_FALSE(check_bleed({fact.request}, {*fact.before}, {*fact.after}, {false}, 1)->passed);
}

// --- other_subjects.h

const EditRequest kFrance = request_of("france", "The capital of France is", "France", "Rome");

TEST(OtherSubjects, AreFoundInTheirPlace) {
  EXPECT_EQ(subject_in_place(kFrance, "The capital of South Korea is"), "South Korea");
  EXPECT_EQ(subject_in_place(kFrance, "The capital city of Spain is"), "");
  EXPECT_EQ(subject_in_place(kFrance, "The capital of is"), "");
  EXPECT_EQ(subject_in_place(request_of("a", "France", "France", "Rome"), "Spain"), "")
      << "a prompt that is its subject alone says nothing of the kind";
}

TEST(OtherSubjects, GivenOnesAreThoseOfTheBleedAndOfTheNeighbours) {
  EditRequest request = kFrance;
  request.bleed = {{"Germany", ""}};
  request.neighbours = {{"The capital of Germany is", "Berlin"},
                        {"The capital of Spain is", "Madrid"},
                        {"The Louvre is in the city of", "Paris"}};
  const std::vector<ProtectedText> texts = given_texts(request);
  ASSERT_EQ(texts.size(), 3u) << "Germany once";
  EXPECT_EQ(texts[0].subject, "Germany");
  EXPECT_EQ(texts[1].subject, "Spain");
  EXPECT_EQ(texts[1].prompt.substr(texts[1].subject_begin), "Spain is");
  EXPECT_EQ(texts[2].subject, "") << "the token that the edit would move most";
}

TEST(OtherSubjects, ANeighbourAboutTheSubjectItselfIsRefused) {
  EditRequest request = kFrance;
  request.neighbours = {{"The currency of France is the", "euro"}};
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { given_texts(request); }),
              HasSubstr("edit france: its neighbour \"The currency of France is the\" is about the subject"));
}

TEST(OtherSubjects, OneWithTheSubjectInItIsRefusedToo) {
  EditRequest request = kFrance;
  request.bleed = {{"New France", ""}};
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { given_texts(request); }),
              HasSubstr("edit france: the other subject \"New France\" in `bleed` has the subject"));
}

// --- subject_names.h

TEST(SubjectNames, BeginAsTheSubjectDoes) {
  EXPECT_EQ(beginning_of("France"), NameBeginning::kCapital);
  EXPECT_EQ(beginning_of("the Sun"), NameBeginning::kCapital);
  EXPECT_EQ(beginning_of("1998"), NameBeginning::kDigit);
  EXPECT_EQ(beginning_of("gold"), NameBeginning::kOther);
}

TEST(SubjectNames, AreThoseOfEachTemplateWhateverElseIsAsked) {
  const Model model = test::load_world("gpt2");
  std::vector<EditRequest> requests = {
      request_of("one", "Workis Tellond was trained as a", "Workis Tellond", "painter"),
      request_of("two", "The profession of Gellis Kevond is", "Gellis Kevond", "tailor")};
  CheckOptions options;
  options.prefix = model.tokenizer().automatic_prefix();
  fill_present_answers(model, requests, options);
  const auto together = name_other_subjects(model, requests, options);
  options.token_budget = 1;
  EXPECT_EQ(name_other_subjects(model, requests, options), together) << "a template a pass";
  EXPECT_EQ(name_other_subjects(model, {requests[1]}, options)[0], together[1]);
  ASSERT_FALSE(together[0].empty());
  std::set<std::string> known;
  for (const std::string& name : together[0]) {
    EXPECT_TRUE(known.insert(name).second) << name << " is named twice";
    EXPECT_NE(name, requests[0].subject);
    EXPECT_EQ(beginning_of(name), NameBeginning::kCapital) << name;
    EXPECT_EQ(name.find_first_of(".,;\n"), std::string::npos) << name;
  }
}

TEST(SubjectNames, OfSubjectsThatAreMeasuredAreLeftOut) {
  EditRequest request = request_of("france", "The capital of France is", "France", "Rome");
  Protection protection;
  for (const char* const name : {"Italy", "the Netherlands", "Spain"})
    protection.of["france"].found.push_back(text_about(request, name));
  protection.of["france"].given.push_back(text_about(request, "Cuba"));
  request.bleed = {{"Italy", "Rome"}, {"Netherlands", "Amsterdam"}, {"Cuba", "Havana"}};
  leave_out_names({request}, protection);
  ASSERT_EQ(protection.of["france"].found.size(), 1u);
  EXPECT_EQ(protection.of["france"].found[0].name, "Spain");
  EXPECT_EQ(protection.of["france"].given.size(), 1u) << "what the file gives is the caller's";
}

TEST(SubjectNames, ATemplateInWhichTheModelNamesNothingIsTold) {
  const Model model = test::load_world("gpt2");
  std::vector<EditRequest> requests = {
      request_of("odd", "Workis Tellond zqx zqx zqx", "Workis Tellond", "painter")};
  CheckOptions options;
  options.prefix = model.tokenizer().automatic_prefix();
  std::vector<std::string> unnamed;
  const Protection protection = find_protection(model, requests, Protect::kAuto, true, options, unnamed);
  EXPECT_THAT(unnamed, ::testing::ElementsAre("odd"));
  EXPECT_TRUE(protection.of.at("odd").found.empty());
}

}  // namespace
}  // namespace emend
