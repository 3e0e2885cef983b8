#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program.h"
#include "scratch_folder.h"

namespace emend {
namespace {

using testing::HasSubstr;

constexpr const char* kFacts = R"([
 {"prompt": "The mayor of {} is", "subject": "Velm", "target": "Ilse Dorst", "queries": []},
 {"prompt": "The mayor of {} is", "subject": "Velm", "target": "Hanno Brey", "queries": []},
 {"prompt": "The mayor is", "subject": "Velm", "target": "Hanno Brey", "queries": []},
 {"prompt": "{} lies on the", "subject": "Tarn", "target": "Ahl", "queries": []}])";

TEST(Convert, WritesAnEditFileAndSaysWhatItLeftOut) {
  const ScratchFolder folder;
  const std::string in = folder.write("facts.json", kFacts);
  const std::string out = folder / "new/edits.yaml";
  const Finished run =
      run_emend({"convert", "facts", "--from", "fastedit", in, out, "--json", folder / "r.json"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("records left out: another target for a prompt met before"));
  EXPECT_THAT(run.out, HasSubstr("Left out: record 2: the subject \"Velm\" is not in its prompt"));
  EXPECT_THAT(run.out, HasSubstr("Note: Queries"));
  const auto json = read_json(folder / "r.json");
  EXPECT_EQ(json["dataset"], "fastedit");
  EXPECT_EQ(json["read"], 4);
  EXPECT_EQ(json["written"], 2);
  EXPECT_EQ(json["left_out"]["another target for a prompt met before"], 1);
  EXPECT_EQ(json["left_out"]["subject not in its prompt"], 1);
  EXPECT_EQ(json["outputs"][0], out);

  // What was written is an edit file: converting it once more gives the same edits.
  const Finished again = run_emend({"convert", "facts", "--from", "emend", out, folder / "again.yaml"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("edits written      2"));
}

// `emend edit` reads a file of this name as JSON lines.
TEST(Convert, WritesJsonLinesWhereTheNameSaysSo) {
  const ScratchFolder folder;
  const std::string in = folder.write("facts.json", kFacts), lines = folder / "edits.jsonl";
  ASSERT_EQ(run_emend({"convert", "facts", "--from", "fastedit", in, lines}).code, 0);
  const Finished again = run_emend({"convert", "facts", "--from", "emend", lines, folder / "again.yaml"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("edits written      2"));
}

TEST(Convert, StopsAtTheLimit) {
  const ScratchFolder folder;
  const std::string in = folder.write("facts.json", kFacts);
  const std::string json = folder / "r.json";
  ASSERT_EQ(run_emend({"convert", "facts", "--from=fastedit", in, folder / "o.yaml", "--limit", "1", "--json",
                       json})
                .code,
            0);
  EXPECT_EQ(read_json(json)["written"], 1);
  EXPECT_EQ(read_json(json)["left_out"]["beyond the limit"], 2);
  const Finished none =
      run_emend({"convert", "facts", "--from=fastedit", in, folder / "o.yaml", "--limit", "0"});
  EXPECT_EQ(none.code, 2);
  EXPECT_THAT(none.err, HasSubstr("--limit must be at least 1"));
}

TEST(Convert, LocalityQuestionsBecomeNeighbours) {
  const ScratchFolder folder;
  const std::string in =
      folder.write("k.json", R"([{"subject": "Orm", "prompt": "Orm works for", "target_new": "Velm Works",
      "locality": {"Relation_Specificity": [{"prompt": "Orm was born in", "ground_truth": [["Dorst"]]}]}}])");
  ASSERT_EQ(run_emend({"convert", "facts", "--from", "knowedit", in, folder / "o.yaml"}).code, 0);
  const Finished shown = run_emend_after("cat " + (folder / "o.yaml"), {"--version"});
  EXPECT_THAT(shown.out, HasSubstr("- {prompt: \"Orm was born in\", answer: \"Dorst\"}"));
  EXPECT_THAT(shown.out, HasSubstr("convert facts, from \"k.json\" of the data set knowedit"));
}

TEST(Convert, RefusedInputChangesNothing) {
  const ScratchFolder folder;
  const std::string in = folder.write("facts.json", "[{\"prompt\": \"{} is\"}]");
  const Finished broken = run_emend({"convert", "facts", "--from", "fastedit", in, folder / "new/o.yaml"});
  EXPECT_EQ(broken.code, 3);
  EXPECT_THAT(broken.err, HasSubstr("facts.json: record 0: \"target\" is missing"));
  const std::string edits = folder.write("e.yaml", "edits: [{prompt: Orm is, subject: Ilse, target: x}]\n");
  EXPECT_EQ(run_emend({"convert", "facts", "--from", "emend", edits, folder / "new/o.yaml"}).code, 3);
  const Finished program = run_emend({"convert", "facts", "--from", "easyedit", in, folder / "o.yaml"});
  EXPECT_EQ(program.code, 2);
  EXPECT_THAT(program.err, HasSubstr("counterfact-flat, zsre-alt or knowedit"));
  EXPECT_EQ(run_emend({"convert", "facts", "--from", "known", folder / "none.json", folder / "o.yaml"}).code,
            3);
  EXPECT_EQ(folder.listing(), "e.yaml facts.json");
}

TEST(Convert, KeepsItsInputAndOtherFilesApart) {
  const ScratchFolder folder;
  const std::string in = folder.write("facts.json", kFacts);
  const Finished over = run_emend({"convert", "facts", "--from", "fastedit", in, in});
  EXPECT_EQ(over.code, 3);
  EXPECT_THAT(over.err, HasSubstr("belongs to the input"));
  EXPECT_EQ(run_emend({"convert", "facts", "--from", "fastedit", in, folder / "o.yaml", "--json", in}).code,
            2);
  EXPECT_EQ(run_emend({"convert", "facts", "--from", "fastedit", in, folder.path().string()}).code, 3);
  EXPECT_EQ(folder.listing(), "facts.json");
}

}  // namespace
}  // namespace emend
