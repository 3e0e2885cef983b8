// zsRE, KnowEdit, FastEdit: sets whose records are read one by one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "read_text.h"

namespace emend {
namespace {

using test::read_text;
using test::refusal_of;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

constexpr const char* kZsre = R"([{
  "subject": "Velm Abbey", "src": "In which valley does Velm Abbey stand?", "pred": "the Orm valley",
  "rephrase": "Where does Velm Abbey stand?", "alt": "the Dorst valley", "answers": ["the Tarn valley", "Tarn"],
  "loc": "nq question: who built the mill of tarn", "loc_ans": "Hanno Brey", "cond": "x >> y || z",
  "portability": {"Recalled Relation": "x", "New Question": "Which river runs past Velm Abbey?", "New Answer": "the Ahl"}
}])";

TEST(Zsre, TakesTheTrueAnswerAsTarget) {
  const DatasetFile file = read_text("zsre", kZsre);
  ASSERT_THAT(file.records, SizeIs(1));
  const EvalRecord& record = file.records[0];
  EXPECT_EQ(record.request.id, "0");
  EXPECT_EQ(record.request.subject_begin, 21u);
  EXPECT_EQ(record.request.target, "the Tarn valley");
  EXPECT_EQ(record.request.was, "");
  EXPECT_THAT(record.request.paraphrases, ElementsAre("Where does Velm Abbey stand?"));
  EXPECT_THAT(record.request.neighbours, IsEmpty());
  ASSERT_THAT(record.locality, SizeIs(1));
  EXPECT_EQ(record.locality[0].kind, "neighborhood");
  EXPECT_EQ(record.locality[0].prompt, "nq question: who built the mill of tarn?");
  EXPECT_EQ(record.locality[0].answer, "Hanno Brey");
  ASSERT_THAT(record.portability, SizeIs(1));
  EXPECT_EQ(record.portability[0].kind, "one_hop");
  EXPECT_EQ(record.portability[0].prompt, "Which river runs past Velm Abbey?");
  EXPECT_EQ(record.portability[0].answer, "the Ahl");
  EXPECT_THAT(file.notes, Contains(HasSubstr("which is true")));
  EXPECT_THAT(file.notes, Contains(HasSubstr("nq question")));
}

TEST(Zsre, TakesTheFalseAnswerUnderItsOtherName) {
  const DatasetFile file = read_text("zsre-alt", kZsre);
  const EvalRecord& record = file.records.at(0);
  EXPECT_EQ(record.request.target, "the Dorst valley");
  EXPECT_EQ(record.request.was, "the Tarn valley");
  EXPECT_EQ(record.locality.at(0).prompt, "nq question: who built the mill of tarn");
}

TEST(Zsre, DoesWithoutLocalityAndPortability) {
  const DatasetFile file =
      read_text("zsre", R"([{"subject": "Orm", "src": "Who is Orm?", "answers": ["a smith"]}])");
  EXPECT_THAT(file.records.at(0).locality, IsEmpty());
  EXPECT_THAT(file.records.at(0).portability, IsEmpty());
}

TEST(Zsre, NamesWhatIsWrong) {
  EXPECT_EQ(
      refusal_of("zsre", R"([{"subject": "Orm", "src": "Who is Orm?", "answers": []}])"),
      "set.json: no record can be used: no answer: 1; for example record 0: \"answers\" is an empty list, or "
      "begins with an empty text");
  EXPECT_EQ(refusal_of("zsre", R"([{"subject": "Orm", "src": "Who is Orm?", "answers": "a smith"}])"),
            "set.json: record 0: \"answers\" must be a list of answers, found \"a smith\"");
  EXPECT_EQ(refusal_of("zsre-alt", R"([{"subject": "Orm", "src": "Who is Orm?", "answers": ["a"]}])"),
            "set.json: record 0: \"alt\" is missing");
  EXPECT_EQ(refusal_of("zsre", R"([{"subject": "Orm", "src": "Who is Orm?", "loc": "x"}])"),
            "set.json: record 0: \"loc_ans\" is missing");
  EXPECT_EQ(refusal_of("zsre", R"([{"known_id": 5}])"),
            "set.json: record 0: \"src\" is missing; this looks like the form of known");
}

TEST(Zsre, RecordsWithoutAnAnswerAreLeftOut) {
  for (const std::string set : {"zsre", "zsre-alt"}) {
    const DatasetFile file = read_text(set, R"([
      {"subject": "Orm", "src": "Who is Orm?", "answers": [], "alt": "a smith"},
      {"subject": "Orm", "src": "How is Orm?", "answers": [" "], "alt": "well"},
      {"subject": "Orm", "src": "Where is Orm?", "answers": ["Velm"], "alt": "Tarn"}])");
    EXPECT_THAT(file.records, SizeIs(1)) << set;
    EXPECT_THAT(file.skipped, ElementsAre(Pair("no answer", 2))) << set;
    EXPECT_THAT(file.skipped_examples, Contains(HasSubstr("record 1: \"answers\" is an empty list"))) << set;
  }
}

TEST(Zsre, EmptyTargetsAreLeftOut) {
  const DatasetFile file = read_text("zsre-alt", R"([
    {"subject": "Orm", "src": "Who is Orm?", "answers": ["a smith"], "alt": ""},
    {"subject": "Orm", "src": "Where is Orm?", "answers": ["Velm"], "alt": "Tarn"}])");
  EXPECT_THAT(file.records, SizeIs(1));
  EXPECT_THAT(file.skipped, ElementsAre(Pair("empty target", 1)));
}

constexpr const char* kKnowEdit = R"([{
  "subject": "Orm Tarvik", "prompt": "The employer of Orm Tarvik is", "target_new": "Velm Works",
  "ground_truth": [["Tarn Mills", "the mills"]], "rephrase_prompt": "Orm Tarvik works for",
  "portability": {"Reasoning": [{"prompt": "The owner of Orm Tarvik's employer is", "ground_truth": [["Hanno Brey"]]}],
                  "Subject_Aliasing": [{"prompt": "The employer of Old Orm is", "ground_truth": "Velm Works"}],
                  "Logical_Generalization": null},
  "locality": {"Relation_Specificity": [{"prompt": ["Orm Tarvik was born in"], "ground_truth": [["Dorst"]]},
                                        {"prompt": "Orm Tarvik speaks", "ground_truth": []}],
               "Forgetfulness": {"prompt": "Before, Orm worked for", "ground_truth": ["the abbey"]}}}])";

TEST(KnowEdit, ReadsKindsAndNestedAnswers) {
  const DatasetFile file = read_text("knowedit", kKnowEdit);
  ASSERT_THAT(file.records, SizeIs(1));
  const EvalRecord& record = file.records[0];
  EXPECT_EQ(record.request.target, "Velm Works");
  EXPECT_EQ(record.request.was, "Tarn Mills");
  EXPECT_THAT(record.request.paraphrases, ElementsAre("Orm Tarvik works for"));
  ASSERT_THAT(record.portability, SizeIs(2));
  EXPECT_EQ(record.portability[0].kind, "Reasoning");
  EXPECT_EQ(record.portability[0].answer, "Hanno Brey");
  EXPECT_EQ(record.portability[1].kind, "Subject_Aliasing");
  EXPECT_EQ(record.portability[1].answer, "Velm Works");
  ASSERT_THAT(record.locality, SizeIs(3));
  EXPECT_EQ(record.locality[0].kind, "Forgetfulness");
  EXPECT_EQ(record.locality[0].answer, "the abbey");
  EXPECT_EQ(record.locality[1].prompt, "Orm Tarvik was born in");
  EXPECT_EQ(record.locality[2].answer, "");
}

TEST(KnowEdit, DoesWithTheLeast) {
  const DatasetFile file = read_text(
      "knowedit",
      R"([{"subject": "Orm", "prompt": "Orm is", "target_new": ["tall"], "rephrase": ["Orm, a"]}])");
  EXPECT_EQ(file.records.at(0).request.target, "tall");
  EXPECT_EQ(file.records.at(0).request.was, "");
  EXPECT_THAT(file.records.at(0).request.paraphrases, ElementsAre("Orm, a"));
}

TEST(KnowEdit, RefusesWikiBioByName) {
  EXPECT_THAT(
      refusal_of("knowedit", R"([{"concept": "Orm", "text": "Write of Orm", "labels": "Orm was born."}])"),
      testing::StartsWith(
          "set.json: record 0: a WikiBio record (concept, text, labels) corrects a sentence"));
}

TEST(KnowEdit, NamesWhatIsWrong) {
  EXPECT_EQ(refusal_of("knowedit",
                       R"([{"subject": "Orm", "prompt": "Orm is", "target_new": "x", "locality": []}])"),
            "set.json: record 0: \"locality\" must be an object, found an array");
  EXPECT_EQ(refusal_of("knowedit", R"([{"subject": "Orm", "prompt": "Orm is", "target_new": "x",
                                        "locality": {"A": [{"ground_truth": "y"}]}}])"),
            "set.json: record 0: \"locality.A[0].prompt\" is missing");
}

TEST(FastEdit, FillsPromptsAndKeepsQueriesAsGenerations) {
  const DatasetFile file = read_text("fastedit", R"([
    {"prompt": "The mayor of {} is", "subject": "Velm", "target": "Ilse Dorst", "queries": ["Who leads Velm? It is"]},
    {"prompt": "{}的市长是", "subject": "维尔姆", "target": "伊尔莎", "queries": []},
    {"prompt": "{} or {}", "subject": "Velm", "target": "x"}])");
  ASSERT_THAT(file.records, SizeIs(2));
  EXPECT_EQ(file.records[0].request.prompt, "The mayor of Velm is");
  EXPECT_EQ(file.records[0].request.subject_begin, 13u);
  EXPECT_EQ(file.records[0].request.target, "Ilse Dorst");
  EXPECT_THAT(file.records[0].generations, ElementsAre("Who leads Velm? It is"));
  EXPECT_THAT(file.records[0].request.paraphrases, IsEmpty());
  EXPECT_EQ(file.records[1].request.prompt, "维尔姆的市长是");
  EXPECT_THAT(file.skipped, ElementsAre(Pair("more than one {} in its prompt", 1)));
  EXPECT_EQ(refusal_of("fastedit", R"([{"prompt": "{} is", "subject": "Velm", "queries": []}])"),
            "set.json: record 0: \"target\" is missing");
}

}  // namespace
}  // namespace emend
