// WikiBigEdit, MQuAKE, RippleEdits, UniEdit: the published keys and nesting, with invented people.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

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

std::string fixture_path(const std::string& set) {
  return std::string(EMEND_SOURCE_DIR) + "/tests/data/datasets/" + set + ".json";
}

DatasetFile fixture(const std::string& set) {
  return read_dataset(set, fixture_path(set));
}

TEST(WikiBigEdit, ReadsOneQuestionOfEachKind) {
  const DatasetFile file = fixture("wikibigedit");
  ASSERT_THAT(file.records, SizeIs(2));
  const EvalRecord& record = file.records[0];
  EXPECT_EQ(record.request.prompt, "Who is the director of Velm Works?");
  EXPECT_EQ(record.request.subject_begin, 23u);
  EXPECT_EQ(record.request.target, "Hanno Brey");
  EXPECT_EQ(record.request.was, "");
  EXPECT_THAT(record.request.paraphrases, ElementsAre("Velm Works is led by whom?"));
  ASSERT_THAT(record.locality, SizeIs(1));
  EXPECT_EQ(record.locality[0].kind, "loc");
  EXPECT_EQ(record.locality[0].answer, "Ilse Orm");
  ASSERT_THAT(record.portability, SizeIs(2));
  EXPECT_EQ(record.portability[0].kind, "mhop");
  EXPECT_EQ(record.portability[0].answer, "Dorst");
  EXPECT_EQ(record.portability[1].kind, "personas");
  EXPECT_EQ(record.portability[1].answer, "Hanno Brey");
  EXPECT_FALSE(find_dataset("wikibigedit").opposed_targets);
}

TEST(WikiBigEdit, CountsWhatHasNoAnswer) {
  const DatasetFile file = fixture("wikibigedit");
  EXPECT_THAT(file.records[1].locality, IsEmpty());
  EXPECT_THAT(file.records[1].portability, IsEmpty());
  EXPECT_THAT(file.skipped, ElementsAre(Pair("no answer", 1), Pair("subject not in its prompt", 1)));
  EXPECT_THAT(file.notes, Contains("Questions left out because their answer is empty: 1."));
}

TEST(Mquake, MakesARecordOfEachRewrite) {
  const DatasetFile file = fixture("mquake");
  ASSERT_THAT(file.records, SizeIs(2));
  const EvalRecord &first = file.records[0], &second = file.records[1];
  EXPECT_EQ(first.request.id, "7");
  EXPECT_EQ(first.request.prompt, "Orm Tarvik is a citizen of");
  EXPECT_EQ(first.request.target, "Dorstland");
  EXPECT_EQ(first.request.was, "Velmland");
  EXPECT_EQ(first.relation, "P27");
  EXPECT_THAT(first.request.paraphrases, ElementsAre("What is the country of citizenship of Orm Tarvik?"));
  EXPECT_EQ(second.request.id, "8-2");
  EXPECT_EQ(second.request.target, "Tarn");
  EXPECT_THAT(file.skipped, ElementsAre(Pair("no answer", 1)));
}

// Three wordings of one question and two hops; the questions of a case with two rewrites stand at the later
// record.
TEST(Mquake, AsksACaseWhereItsLastRewriteIs) {
  const DatasetFile file = fixture("mquake");
  const std::vector<KindQuestion>& one = file.records[0].portability;
  ASSERT_THAT(one, SizeIs(5));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(one[i].kind, "multi_hop");
    EXPECT_EQ(one[i].answer, "Dorst");
    EXPECT_THAT(one[i].others, ElementsAre("Dorst City"));
    EXPECT_EQ(one[i].group, "7");
    EXPECT_THAT(one[i].needs, IsEmpty());
  }
  EXPECT_EQ(one[3].kind, "single_hop");
  EXPECT_THAT(one[3].others, ElementsAre("the Dorst Republic"));
  EXPECT_NE(one[3].group, one[4].group);
  const std::vector<KindQuestion>& two = file.records[1].portability;
  ASSERT_THAT(two, SizeIs(3));
  EXPECT_EQ(two[0].answer, "Tarn");
  EXPECT_EQ(two[0].group, "8");
  EXPECT_THAT(two[0].needs, ElementsAre("7"));
}

TEST(RippleEdits, ReadsNamesOffTheSentences) {
  const DatasetFile file = fixture("rippleedits");
  ASSERT_THAT(file.records, SizeIs(2));
  const EvalRecord& record = file.records[0];
  EXPECT_EQ(record.request.prompt, "The name of the country of citizenship of Orm Tarvik is");
  EXPECT_EQ(record.request.subject, "Orm Tarvik");
  EXPECT_EQ(record.request.target, "Dorstland");
  EXPECT_EQ(record.request.was, "Velmland");
  EXPECT_EQ(record.relation, "COUNTRY_OF_CITIZENSHIP");
  // No question is about that subject, so the relation's name tells where it begins.
  EXPECT_EQ(file.records[1].request.subject, "Jule of Velm");
  EXPECT_EQ(file.records[1].request.target, "Tarn");
  EXPECT_EQ(file.records[1].request.was, "");
  EXPECT_THAT(file.skipped, ElementsAre(Pair("no answer", 1)));
}

TEST(RippleEdits, KeepsTheNamesOfItsSixLists) {
  const DatasetFile file = fixture("rippleedits");
  const EvalRecord& record = file.records[0];
  ASSERT_THAT(record.locality, SizeIs(1));
  EXPECT_EQ(record.locality[0].kind, "Relation_Specificity");
  EXPECT_EQ(record.locality[0].answer, "Ilse Tarvik");
  ASSERT_THAT(record.portability, SizeIs(3));
  EXPECT_EQ(record.portability[0].kind, "Compositionality_I");
  EXPECT_EQ(record.portability[0].group, record.portability[1].group);
  EXPECT_EQ(record.portability[2].kind, "Subject_Aliasing");
  EXPECT_THAT(record.portability[2].others, ElementsAre("the Dorst Republic"));
  EXPECT_THAT(file.notes, Contains("Questions left out because their answers are empty: 1."));
  // Both queries of a test of AND must be right, so they stand in groups of their own.
  const std::vector<KindQuestion>& both = file.records[1].locality;
  ASSERT_THAT(both, SizeIs(2));
  EXPECT_NE(both[0].group, both[1].group);
  EXPECT_EQ(both[1].answer, "9");
}

TEST(UniEdit, ReadsTheMembersOfOneObject) {
  const DatasetFile file = fixture("uniedit");
  ASSERT_THAT(file.records, SizeIs(3));
  EXPECT_EQ(file.records[0].request.id, "2");
  EXPECT_EQ(file.records[2].request.id, "10");
  EXPECT_EQ(file.records[0].request.target, "Velm Works");
  EXPECT_EQ(file.records[0].relation, "P108");
  std::map<std::string, std::string> kinds;
  for (const EvalRecord& record : file.records) kinds[record.request.id] = record.portability.at(0).kind;
  EXPECT_THAT(kinds, ElementsAre(Pair("10", "relation_reverse"), Pair("2", "same_entity_reason"),
                                 Pair("3", "multi_hop")));
  EXPECT_EQ(file.records[0].portability[0].prompt,
            "Do Orm Tarvik and Hanno Brey have one employer? The answer is (Yes/No):");
  EXPECT_EQ(file.records[0].locality.at(0).kind, "none");
  EXPECT_THAT(file.records[2].locality, IsEmpty());
  EXPECT_THAT(file.notes, Contains("Questions left out because their answer is empty: 1."));
}

TEST(PublishedSets, NameTheKeyThatIsMissing) {
  EXPECT_EQ(refusal_of("wikibigedit", R"([{"subject": "Orm"}])"),
            "set.json: record 0: \"update\" is missing");
  EXPECT_EQ(refusal_of("mquake", R"([{"requested_rewrite": []}])"),
            "set.json: record 0: \"questions\" is missing; this looks like the form of counterfact");
  EXPECT_THAT(refusal_of("mquake", R"([{"requested_rewrite": [{"prompt": "{} is", "subject": "Orm",
                                        "target_new_str": "here"}], "questions": ["x"], "new_answer": "y"}])"),
              testing::HasSubstr("has neither \"target_true\" nor \"target_true_str\""));
  EXPECT_EQ(refusal_of("rippleedits", R"([{"edit": {"prompt": "x is y."}}])"),
            "set.json: record 0: \"Relation_Specificity\" is missing");
  EXPECT_EQ(refusal_of("uniedit",
                       R"({"5": {"edit": {"prompt": "Orm is", "subject": "Orm", "target": "a smith"}}})"),
            "set.json: record \"5\": \"generality\" is missing");
  EXPECT_EQ(refusal_of("uniedit",
                       R"({"5": {"edit": {"prompt": "Orm is", "subject": "Orm", "target": "a smith"},
                           "generality": {"0": {"path_type": "triple", "prompt": "x", "target": "y"}}, "locality": {}}})"),
            "set.json: record \"5\": \"generality.0.path_type\" must be \"single\" or \"double\", found "
            "\"triple\"");
}

// Each set refuses the files of the others and tells whose form it is.
TEST(PublishedSets, RefuseEachOthersFiles) {
  const std::vector<std::string> sets = {"wikibigedit", "mquake", "rippleedits", "uniedit"};
  for (const std::string& set : sets)
    for (const std::string& other : sets) {
      if (set == other) continue;
      EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { read_dataset(set, fixture_path(other)); }),
                  testing::EndsWith("this looks like the form of " + other))
          << set;
    }
  EXPECT_THAT(
      test::error_of(ErrorKind::kConfig, [&] { read_dataset("counterfact", fixture_path("mquake")); }),
      testing::EndsWith("this looks like the form of mquake"));
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { read_dataset("emend", fixture_path("uniedit")); }),
              testing::EndsWith("this looks like the form of uniedit"));
}

}  // namespace
}  // namespace emend
