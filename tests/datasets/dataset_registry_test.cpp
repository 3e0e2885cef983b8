// The table of data sets, and emend's own records.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "read_text.h"

namespace emend {
namespace {

using test::read_text;
using test::refusal_of;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(Registry, ListsTheSets) {
  std::vector<std::string> names;
  for (const DatasetHelp& dataset : list_datasets()) {
    names.push_back(dataset.name);
    EXPECT_FALSE(dataset.help.empty());
  }
  EXPECT_THAT(names, ElementsAre("counterfact", "counterfact-flat", "zsre", "zsre-alt", "known", "knowedit",
                                 "fastedit", "wikibigedit", "mquake", "rippleedits", "uniedit", "emend"));
}

TEST(Registry, KnowsWhoseTargetsAreTrueAnswers) {
  EXPECT_FALSE(find_dataset("zsre").opposed_targets);
  for (const char* name : {"zsre-alt", "counterfact", "emend"})
    EXPECT_TRUE(find_dataset(name).opposed_targets) << name;
  EXPECT_THAT(test::error_of(ErrorKind::kUsage, [] { find_dataset("zrse"); }), HasSubstr("\"zsre\""));
}

TEST(Registry, OffersTheNearestName) {
  // The name is an argument and stands in no file, so it is wrong usage.
  const auto refusal = [](const char* name) {
    return test::error_of(ErrorKind::kUsage, [&] { read_dataset(name, "set.json"); });
  };
  EXPECT_EQ(refusal("counterfct"), "there is no data set \"counterfct\"; did you mean \"counterfact\"?");
  EXPECT_THAT(refusal("squad"), HasSubstr("known: counterfact, counterfact-flat, zsre"));
}

TEST(Registry, RefusesFilesThatHoldNothing) {
  for (const DatasetHelp& dataset : list_datasets()) {
    EXPECT_EQ(refusal_of(dataset.name, "[]"), "set.json: no record can be used: it has none");
    EXPECT_EQ(refusal_of(dataset.name, ""), "set.json: the file is empty");
    EXPECT_THAT(refusal_of(dataset.name, "[{]"), HasSubstr("set.json:1:3: not valid JSON"));
    EXPECT_THAT(refusal_of(dataset.name, "[{}]"), HasSubstr("set.json: record 0: "));
  }
}

TEST(Registry, TellsFilesThatCannotBeReadApart) {
  const test::TempFolder folder;
  EXPECT_THAT(test::error_of(ErrorKind::kIo, [&] { read_dataset("known", folder / "nothing.json"); }),
              HasSubstr("nothing.json"));
}

constexpr const char* kOwn =
    R"({"id": "orm", "relation": "home", "known": true, "prompt": "Orm's son Orm lives in",
 "subject": "Orm", "subject_occurrence": 2, "target": "Velm", "was": "Tarn", "paraphrases": ["Orm's son is at home in"],
 "neighbours": [{"prompt": "Ilse lives in", "answer": "Tarn"}, "Hanno lives in"], "attributes": ["Jule lives in"],
 "generations": ["Orm's son is"], "same_subject": [{"prompt": "Orm's son works as a", "answer": "smith"}],
 "locality": [{"kind": "far", "prompt": "Tarn lies on the", "answer": "Ahl"}],
 "portability": [{"kind": "one_hop", "prompt": "Orm's son's river is the", "answer": "Vel"}]})";

// The record on one line, as the form wants it.
std::string own_line() {
  std::string line = kOwn;
  for (char& c : line)
    if (c == '\n') c = ' ';
  return line;
}

TEST(EmendRecords, ReadsAllFields) {
  const DatasetFile file = read_text("emend", own_line() + "\n");
  ASSERT_THAT(file.records, SizeIs(1));
  const EvalRecord& record = file.records[0];
  EXPECT_EQ(record.request.id, "orm");
  EXPECT_EQ(record.relation, "home");
  EXPECT_EQ(record.request.subject_begin, 10u);
  EXPECT_EQ(record.request.target, "Velm");
  EXPECT_EQ(record.request.was, "Tarn");
  EXPECT_THAT(record.request.paraphrases, ElementsAre("Orm's son is at home in"));
  ASSERT_THAT(record.request.neighbours, SizeIs(2));
  EXPECT_EQ(record.request.neighbours[1].prompt, "Hanno lives in");
  EXPECT_EQ(record.request.neighbours[1].answer, "");
  EXPECT_THAT(record.attributes, ElementsAre("Jule lives in"));
  EXPECT_THAT(record.generations, ElementsAre("Orm's son is"));
  ASSERT_THAT(record.locality, SizeIs(2));
  EXPECT_EQ(record.locality[0].kind, "far");
  EXPECT_EQ(record.locality[1].kind, "same_subject");
  EXPECT_EQ(record.portability.at(0).answer, "Vel");
}

TEST(EmendRecords, ReadsTheInventedWorld) {
  const DatasetFile file = read_dataset("emend", std::string(EMEND_TEST_DATA) + "/world/edits.jsonl");
  EXPECT_THAT(file.records, SizeIs(400));
  EXPECT_THAT(file.skipped, IsEmpty());
  for (const EvalRecord& record : file.records) {
    EXPECT_FALSE(record.relation.empty());
    EXPECT_FALSE(record.request.neighbours.empty());
  }
}

TEST(EmendRecords, RefusesUnknownKeysAndMissingOnes) {
  EXPECT_EQ(refusal_of("emend", R"({"promt": "x"})"),
            "set.json: record 0: unknown key \"promt\"; did you mean \"prompt\"?");
  EXPECT_EQ(refusal_of("emend", R"({"prompt": "Orm is", "subject": "Orm"})"),
            "set.json: record 0: \"target\" is missing");
  EXPECT_EQ(refusal_of("emend",
                       R"({"prompt": "Orm is", "subject": "Orm", "target": "x", "subject_occurrence": 2})"),
            "set.json: record 0: \"subject_occurrence\" must be an occurrence of the subject in its prompt, "
            "found 2");
  EXPECT_EQ(
      refusal_of("emend",
                 R"({"prompt": "Orm is", "subject": "Orm", "target": "x", "locality": [{"prompt": "y"}]})"),
      "set.json: record 0: \"locality[0].kind\" is missing");
}

TEST(EmendRecords, EditFilesComeThroughTheirOwnReader) {
  const test::TempFolder folder;
  const auto file = folder.write("x.yaml", "edits: []\n");
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { read_dataset("emend", file); }),
              EndsWith("x.yaml: an edit file is read by read_edit_file, then records_of"));
  EXPECT_THAT(
      test::error_of(ErrorKind::kConfig, [&] { read_dataset("known", file); }),
      EndsWith("x.yaml: an edit file is no file of the data set known; it is read under the name emend"));
  EditFile edits;
  edits.path = "some/x.yaml";
  edits.edits.resize(2);
  edits.edits[1].id = "b";
  const DatasetFile set = records_of(edits);
  EXPECT_EQ(set.dataset, "emend");
  EXPECT_EQ(set.path, "some/x.yaml");
  ASSERT_THAT(set.records, SizeIs(2));
  EXPECT_EQ(set.records[1].request.id, "b");
  EXPECT_EQ(set.records[1].where, "x.yaml: edit 2");
}

TEST(Registry, FormsOfOtherSetsAreNamed) {
  const std::string wiki =
      R"([{"subject": "Orm", "update": "Where is Orm?", "ans": "Velm", "loc": "x", "loc_ans": "y"}])";
  for (const char* set : {"knowedit", "zsre", "counterfact"})
    EXPECT_THAT(refusal_of(set, wiki), EndsWith("; this looks like the form of wikibigedit")) << set;
  EXPECT_THAT(
      refusal_of("counterfact",
                 R"([{"requested_rewrite": [{"prompt": "{} is"}], "questions": ["q"], "new_answer": "a"}])"),
      EndsWith("; this looks like the form of mquake"));
  EXPECT_THAT(refusal_of("knowedit", R"([{"example_type": "popular", "edit": {"prompt": "x"}}])"),
              EndsWith("; this looks like the form of rippleedits"));
}

}  // namespace
}  // namespace emend
