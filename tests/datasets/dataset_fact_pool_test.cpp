#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "datasets/fact_pool.h"
#include "datasets/subject_place.h"

namespace emend {
namespace {

using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

// Person i of twenty lives in Velm; of another ten, in Tarn.
FactPool people() {
  FactPool pool;
  for (int i = 0; i < 30; ++i) {
    const std::string name = "Person-" + std::string(1, static_cast<char>('A' + i));
    pool.add({"lives", name, name + " lives in", i < 20 ? "Velm" : "Tarn", i % 2 == 0});
  }
  return pool;
}

std::vector<std::string> prompts_of(const std::vector<PooledFact>& facts) {
  std::vector<std::string> prompts;
  for (const PooledFact& fact : facts) prompts.push_back(fact.prompt);
  return prompts;
}

TEST(FactPool, DrawsFactsOfTheGroupAndAnswer) {
  const std::vector<PooledFact> drawn = people().draw({"lives", "Tarn", "Person-X", {}, "7", 20});
  EXPECT_THAT(drawn, SizeIs(9));  // ten, but for the subject's own
  for (const PooledFact& fact : drawn) EXPECT_EQ(fact.answer, "Tarn");
  EXPECT_THAT(prompts_of(drawn), Not(Contains("Person-X lives in")));
  EXPECT_THAT(people().draw({"works", "Tarn", "Person-X", {}, "7", 20}), IsEmpty());
}

TEST(FactPool, LeavesOutWhatIsThereAndWhatNamesTheSubject) {
  FactPool pool;
  pool.add({"g", "Orm's sister", "Orm's sister lives in", "Velm"});
  pool.add({"g", "Ilse", "Ilse lives in", "Velm"});
  pool.add({"g", "Ilse", "Ilse lives in", "Velm"});
  pool.add({"g", "Hanno", "Hanno lives in", "Velm"});
  EXPECT_THAT(prompts_of(pool.draw({"g", "Velm", "Orm", {"Hanno lives in"}, "7", 9})),
              ElementsAre("Ilse lives in"));
}

TEST(FactPool, TheOrderDependsOnTheSeedOnly) {
  const DrawRequest request{"lives", "Velm", "Orm", {}, "7", 5};
  const std::vector<std::string> drawn = prompts_of(people().draw(request));
  EXPECT_EQ(prompts_of(people().draw(request)), drawn);
  DrawRequest other = request;
  other.seed = "8";
  EXPECT_NE(prompts_of(people().draw(other)), drawn);

  std::vector<PooledFact> facts = people().draw({"lives", "Velm", "Orm", {}, "x", 99});
  std::reverse(facts.begin(), facts.end());
  FactPool reversed;
  for (const PooledFact& fact : facts) reversed.add(fact);
  EXPECT_EQ(prompts_of(reversed.draw(request)), drawn);
}

TEST(FactPool, TakesFactsThatAreNoEditsFirst) {
  const std::vector<PooledFact> drawn = people().draw({"lives", "Velm", "Orm", {}, "7", 15});
  for (std::size_t i = 0; i < drawn.size(); ++i) EXPECT_EQ(drawn[i].is_edit, i >= 10);
}

EvalRecord lives_in(const std::string& name, const std::string& was, const std::string& target) {
  EvalRecord record;
  record.request.id = name;
  find_subject(record.request, name + " lives in", name);
  record.request.was = was;
  record.request.target = target;
  return record;
}

TEST(Derive, NeighboursShareTheAnswerAndAttributesHaveTheTarget) {
  std::vector<EvalRecord> records = {lives_in("Orm", "Velm", "Tarn"), lives_in("Ilse", "Velm", "Dorst"),
                                     lives_in("Hanno", "Tarn", "Velm"), lives_in("Brun", "Tarn", "Velm")};
  records[0].request.neighbours = {{"Given lives in", "Velm"}};
  const std::vector<std::string> groups = {"g", "g", "g", "other"};
  derive_questions(records, groups, pool_of(records, groups));
  ASSERT_THAT(records[0].request.neighbours, SizeIs(2));
  EXPECT_EQ(records[0].request.neighbours[0].prompt, "Given lives in");
  EXPECT_EQ(records[0].request.neighbours[1].prompt, "Ilse lives in");
  EXPECT_EQ(records[0].request.neighbours[1].answer, "Velm");
  EXPECT_THAT(records[0].attributes, ElementsAre("Hanno lives in"));
  EXPECT_THAT(records[3].request.neighbours, IsEmpty());
  EXPECT_THAT(records[3].attributes, IsEmpty());
}

TEST(Derive, AddsAtMostTenOfEach) {
  std::vector<EvalRecord> records;
  for (int i = 0; i < 40; ++i)
    records.push_back(lives_in("Person " + std::to_string(100 + i), i % 2 == 0 ? "Velm" : "Tarn",
                               i % 2 == 0 ? "Tarn" : "Velm"));
  const std::vector<std::string> groups(records.size(), "g");
  derive_questions(records, groups, pool_of(records, groups));
  std::set<std::string> lists;
  for (const EvalRecord& record : records) {
    EXPECT_THAT(record.request.neighbours, SizeIs(10));
    EXPECT_THAT(record.attributes, SizeIs(10));
    EXPECT_THAT(record.attributes, Each(Not(HasSubstr(record.request.subject))));
    lists.insert(record.attributes[0]);
  }
  EXPECT_GT(lists.size(), 5u);  // each record has its own draw
}

TEST(Templates, TheLongestPatternThatFitsCounts) {
  const TemplateSet templates({"{} is in", "The city of {} is in", "{}", "{} is in"});
  const auto match = templates.match("The city of Velm is in");
  ASSERT_TRUE(match);
  EXPECT_EQ(match->pattern, "The city of {} is in");
  EXPECT_EQ(match->subject, "Velm");
  EXPECT_EQ(templates.match("Velm is in")->subject, "Velm");
  EXPECT_FALSE(templates.match(" is in"));
  EXPECT_FALSE(templates.match("Velm lies at"));
}

}  // namespace
}  // namespace emend
