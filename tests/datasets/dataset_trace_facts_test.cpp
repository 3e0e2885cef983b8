// Facts to trace, from files of several forms, whole and broken.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "../base/expect_error.h"
#include "datasets/trace_facts.h"
#include "emend/error.h"

namespace emend {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::vector<TraceFact> facts_of(const std::string& text) {
  const std::string path = testing::TempDir() + "facts_" + std::to_string(getpid()) + ".json";
  std::ofstream(path) << text;
  return read_trace_facts(path);
}

std::string refusal_of(const std::string& text) {
  try {
    facts_of(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was refused";
}

TEST(TraceFacts, TakeThreeNamesForTheAnswer) {
  const auto facts = facts_of(R"([{"prompt": "Oslo is in ", "subject": "Oslo", "answer": "Norway"},
    {"known_id": 7, "prompt": "The city of Oslo lies in", "subject": "Oslo", "attribute": " Norway", "relation_id": "P1"},
    {"id": "x", "prompt": "Oslo", "subject": "Oslo", "was": "Norway", "target": "Peru"}, {"prompt": "Oslo", "subject": "Oslo"}])");
  ASSERT_EQ(facts.size(), 4u);
  EXPECT_EQ(facts[0].id, "0");
  EXPECT_EQ(facts[0].prompt, "Oslo is in");
  EXPECT_EQ(facts[1].id, "7");
  EXPECT_EQ(facts[1].subject_begin, 12u);
  EXPECT_EQ(facts[1].answer, "Norway");
  EXPECT_EQ(facts[2].id, "x");
  EXPECT_EQ(facts[2].answer, "Norway");
  EXPECT_EQ(facts[3].answer, "");
}

TEST(TraceFacts, AreReadFromLinesToo) {
  EXPECT_EQ(
      facts_of("{\"prompt\": \"a b\", \"subject\": \"a\"}\n\n{\"prompt\": \"a b\", \"subject\": \"b\"}\n")
          .size(),
      2u);
}

TEST(TraceFacts, ChooseAnOccurrence) {
  EXPECT_EQ(facts_of(R"([{"prompt": "斑马 or 斑马", "subject": "斑马", "subject_occurrence": 2}])")[0]
                .subject_begin,
            10u);
  EXPECT_THAT(refusal_of(R"([{"prompt": "a a", "subject": "a"}])"),
              AllOf(HasSubstr("record 0"), HasSubstr("2 times"), HasSubstr("subject_occurrence (1 to 2)")));
  EXPECT_THAT(refusal_of(R"([{"prompt": "a a", "subject": "a", "subject_occurrence": 3}])"),
              HasSubstr("no occurrence 3"));
  EXPECT_THAT(
      test::error_of(ErrorKind::kConfig, [] { place_of_subject("a a", "a", 0, "the option prompt"); }),
      HasSubstr("say which one with the number of its occurrence (1 to 2)"));
}

TEST(TraceFacts, NameTheBrokenRecord) {
  const std::string good = R"({"prompt": "a b", "subject": "a"})";
  EXPECT_THAT(refusal_of("[" + good + R"(, {"prompt": "a b", "subject": "c"}])"),
              AllOf(HasSubstr("record 1: "), HasSubstr("\"c\" is not in the prompt")));
  EXPECT_THAT(refusal_of("[" + good + R"(, {"prompt": "a b"}])"),
              AllOf(HasSubstr("record 1: "), HasSubstr("\"subject\"")));
  EXPECT_THAT(refusal_of("[" + good + R"(, {"prompt": 3, "subject": "a"}])"),
              AllOf(HasSubstr("record 1: "), HasSubstr("\"prompt\"")));
  EXPECT_THAT(refusal_of("[" + good + R"(, {"prompt": " ", "subject": "a"}])"),
              AllOf(HasSubstr("record 1: "), HasSubstr("not empty")));
  EXPECT_THAT(refusal_of("[" + good + ", 7]"), HasSubstr("record 1 must be an object"));
  EXPECT_THAT(
      refusal_of(
          R"([{"id": "a", "prompt": "a b", "subject": "a"}, {"id": "a", "prompt": "a c", "subject": "a"}])"),
      AllOf(HasSubstr("record 1"), HasSubstr("met before")));
  EXPECT_THAT(refusal_of("[]"), HasSubstr("no facts"));
  EXPECT_THAT(refusal_of("[{]"), HasSubstr("not valid JSON"));
}

}  // namespace
}  // namespace emend
