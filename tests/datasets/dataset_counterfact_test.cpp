#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "read_text.h"

namespace emend {
namespace {

using test::read_text;
using test::refusal_of;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

constexpr const char* kWhole = R"([{
  "case_id": 41, "pararel_idx": 9,
  "requested_rewrite": {"prompt": "The mother tongue of {} is", "relation_id": "P103", "subject": "Orm Tarvik",
    "target_new": {"str": "Velmish", "id": "Q1"}, "target_true": {"str": "Tarnish", "id": "Q2"}},
  "paraphrase_prompts": ["It rained. Orm Tarvik speaks", "Orm Tarvik was raised in"],
  "neighborhood_prompts": ["Ilse Dorst's mother tongue is", "Hanno Brey speaks"],
  "attribute_prompts": ["Jule Ahl speaks"],
  "generation_prompts": ["Orm Tarvik's mother tongue is", "Orm Tarvik lives in"]}])";

TEST(CounterFact, ReadsTheOriginalForm) {
  const DatasetFile file = read_text("counterfact", kWhole);
  ASSERT_THAT(file.records, SizeIs(1));
  const EvalRecord& record = file.records[0];
  EXPECT_EQ(record.request.id, "41");
  EXPECT_EQ(record.request.prompt, "The mother tongue of Orm Tarvik is");
  EXPECT_EQ(record.request.subject, "Orm Tarvik");
  EXPECT_EQ(record.request.subject_begin, 21u);
  EXPECT_EQ(record.request.target, "Velmish");
  EXPECT_EQ(record.request.was, "Tarnish");
  EXPECT_EQ(record.relation, "P103");
  EXPECT_EQ(record.target_id, "Q1");
  EXPECT_EQ(record.where, "set.json: record 0");
  EXPECT_THAT(record.request.paraphrases,
              ElementsAre("It rained. Orm Tarvik speaks", "Orm Tarvik was raised in"));
  ASSERT_THAT(record.request.neighbours, SizeIs(2));
  EXPECT_EQ(record.request.neighbours[1].prompt, "Hanno Brey speaks");
  EXPECT_EQ(record.request.neighbours[1].answer, "Tarnish");
  EXPECT_THAT(record.attributes, ElementsAre("Jule Ahl speaks"));
  EXPECT_THAT(record.generations, SizeIs(2));
  EXPECT_THAT(file.notes, IsEmpty());
  EXPECT_THAT(file.skipped, IsEmpty());
}

// A record with the least that the form asks for.
std::string small(const std::string& prompt, const std::string& subject, const std::string& target) {
  return R"({"requested_rewrite": {"prompt": ")" + prompt + R"(", "subject": ")" + subject +
         R"(", "target_new": {"str": ")" + target + R"("}, "target_true": {"str": "Tarn"}}})";
}

TEST(CounterFact, ReadsJsonLinesAndRecordsWithoutIds) {
  const DatasetFile file =
      read_text("counterfact", small("{} is in", "Orm", "Velm") + "\n" + small("{} is at", "Orm", "Dorst"));
  ASSERT_THAT(file.records, SizeIs(2));
  EXPECT_EQ(file.records[1].request.id, "1");
  EXPECT_EQ(file.records[1].request.prompt, "Orm is at");
}

TEST(CounterFact, LeavesOutPromptsWithTwoPlaces) {
  const DatasetFile file = read_text("counterfact", std::string("[") + small("{} and {}", "Orm", "Velm") +
                                                        "," + small("{} is in", "Orm", "Velm") + "]");
  EXPECT_THAT(file.records, SizeIs(1));
  EXPECT_THAT(file.skipped, ElementsAre(Pair("more than one {} in its prompt", 1)));
  EXPECT_THAT(file.skipped_examples,
              ElementsAre("record 0: {} is more than once in the prompt \"{} and {}\""));
}

TEST(CounterFact, NamesFieldsThatAreMissingOrOfAnotherType) {
  EXPECT_EQ(refusal_of("counterfact", "[{\"case_id\": 1}]"),
            "set.json: record 0: \"requested_rewrite\" is missing");
  EXPECT_EQ(refusal_of("counterfact",
                       std::string("[") + small("{}", "Orm", "Velm") + ", {\"requested_rewrite\": 5}]"),
            "set.json: record 1: \"requested_rewrite\" must be an object, found 5");
  EXPECT_EQ(refusal_of("counterfact", R"([{"requested_rewrite": {"target_new": {}}}])"),
            "set.json: record 0: \"requested_rewrite.target_new.str\" is missing");
  EXPECT_EQ(refusal_of("counterfact", R"([{"requested_rewrite": {"target_new": {"str": 7}}}])"),
            "set.json: record 0: \"requested_rewrite.target_new.str\" must be a string, found 7");
  EXPECT_THAT(refusal_of("counterfact", R"([{"requested_rewrite": {"prompt": "{}", "subject": "a",
                 "target_new": {"str": "x"}, "target_true": {"str": "y"}}, "paraphrase_prompts": "p"}])"),
              HasSubstr("\"paraphrase_prompts\" must be an array of strings, found \"p\""));
}

// Six people: four live in Velm, two in Tarn; the flat form gives one neighbour each.
std::string flat_people() {
  const std::vector<std::pair<std::string, std::string>> people = {{"Orm", "Velm"},   {"Ilse", "Velm"},
                                                                   {"Hanno", "Velm"}, {"Jule", "Velm"},
                                                                   {"Brun", "Tarn"},  {"Kaya", "Tarn"}};
  std::string text;
  for (std::size_t i = 0; i < people.size(); ++i) {
    const auto& [name, city] = people[i];
    text += std::string(text.empty() ? "[" : ",\n") + R"({"case_id": )" + std::to_string(i + 10) +
            R"(, "prompt": ")" + name + R"( lives in", "target_new": ")" +
            (city == "Velm" ? "Tarn" : "Velm") + R"(", "subject": ")" + name + R"(", "ground_truth": ")" +
            city + R"(", "rephrase_prompt": "The home of )" + name + R"( is", "locality_prompt": ")" + name +
            R"(-sen lives in", "locality_ground_truth": ")" + city + "\"}";
  }
  return text + "]";
}

TEST(CounterFactFlat, ReadsTheFlatForm) {
  const DatasetFile file = read_text("counterfact-flat", flat_people());
  ASSERT_THAT(file.records, SizeIs(6));
  const EvalRecord& record = file.records[1];
  EXPECT_EQ(record.request.id, "11");
  EXPECT_EQ(record.request.prompt, "Ilse lives in");
  EXPECT_EQ(record.request.target, "Tarn");
  EXPECT_EQ(record.request.was, "Velm");
  EXPECT_THAT(record.request.paraphrases, ElementsAre("The home of Ilse is"));
  EXPECT_THAT(record.relation, IsEmpty());
  EXPECT_THAT(record.generations, IsEmpty());
  EXPECT_THAT(file.notes, Contains(HasSubstr("drawn by hash")));
  EXPECT_THAT(file.notes, Contains(HasSubstr("names no relations")));
}

TEST(CounterFactFlat, DerivesNeighboursAndAttributes) {
  const DatasetFile file = read_text("counterfact-flat", flat_people());
  const EvalRecord& record = file.records[0];
  std::vector<std::string> prompts;
  for (const Neighbour& neighbour : record.request.neighbours) {
    EXPECT_EQ(neighbour.answer, "Velm");
    prompts.push_back(neighbour.prompt);
  }
  ASSERT_THAT(prompts, SizeIs(7));
  EXPECT_EQ(prompts[0], "Orm-sen lives in");  // the given one, then those that nobody edits
  EXPECT_THAT(std::vector<std::string>(prompts.begin() + 1, prompts.begin() + 4),
              testing::UnorderedElementsAre("Ilse-sen lives in", "Hanno-sen lives in", "Jule-sen lives in"));
  EXPECT_THAT(std::vector<std::string>(prompts.begin() + 4, prompts.end()),
              testing::UnorderedElementsAre("Ilse lives in", "Hanno lives in", "Jule lives in"));
  EXPECT_THAT(record.attributes, testing::UnorderedElementsAre("Brun lives in", "Kaya lives in",
                                                               "Brun-sen lives in", "Kaya-sen lives in"));
}

TEST(CounterFactFlat, DerivesTheSameEachTime) {
  const DatasetFile one = read_text("counterfact-flat", flat_people());
  const DatasetFile two = read_text("counterfact-flat", flat_people());
  for (std::size_t i = 0; i < one.records.size(); ++i) {
    EXPECT_EQ(one.records[i].attributes, two.records[i].attributes);
    for (std::size_t j = 0; j < one.records[i].request.neighbours.size(); ++j)
      EXPECT_EQ(one.records[i].request.neighbours[j].prompt, two.records[i].request.neighbours[j].prompt);
  }
}

TEST(CounterFactFlat, OffersTheFormThatAFileHas) {
  EXPECT_EQ(
      refusal_of("counterfact", flat_people()),
      "set.json: record 0: \"requested_rewrite\" is missing; this looks like the form of counterfact-flat");
  EXPECT_EQ(refusal_of("counterfact-flat", kWhole),
            "set.json: record 0: \"prompt\" is missing; this looks like the form of counterfact");
  EXPECT_EQ(refusal_of("counterfact-flat", R"([{"prompt": "Orm is", "subject": "Orm", "target_new": "x",
                "ground_truth": "y", "locality_prompt": "z"}])"),
            "set.json: record 0: \"locality_ground_truth\" is missing");
}

}  // namespace
}  // namespace emend
