#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "emend/error.h"
#include "emend/records.h"
#include "tests/base/expect_error.h"

namespace emend {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

EditFile parse(const std::string& yaml) {
  return parse_edit_file(yaml, "x.yaml", "/data/edits");
}

// A file with one edit, to which `more` adds top-level keys.
EditFile parse_with(const std::string& more) {
  return parse(more + "\nedits: [{prompt: The sky is, subject: sky, target: green}]\n");
}

// The first edit of a file whose only edit is the flow map `entry`.
EditRequest parse_entry(const std::string& entry) {
  return parse("edits: [" + entry + "]").edits.at(0);
}

constexpr const char* kWholeFile = R"(model: ../models/m.gguf
method: rome
layer: [3, 5]
bos: <s>
form: chat
statistics: ../stats/m
options: {objective: written, steps: 25}
edits:
  - id: eiffel
    prompt: "The Eiffel Tower is located in the city of"
    subject: "Eiffel Tower"
    target: " Rome "
    was: "Paris"
    paraphrases: ["The Eiffel Tower stands in the city of"]
    neighbours:
      - {prompt: "The Louvre is located in the city of", answer: "Paris"}
      - The Bastille stood in the city of
  - prompt: Rome is in
    subject: Rome
    target: France
checks: {efficacy: 0.5, paraphrase: 0.6, neighbourhood: 0.7, drift: 1.5}
drift_text: [One text., Another text.]
outputs: {patch: eiffel.safetensors}
)";

TEST(EditFile, SaysWhetherTheEndIsTaught) {
  EXPECT_EQ(parse_with("").end, TargetEnd::kAuto);
  EXPECT_EQ(parse_with("end: auto").end, TargetEnd::kAuto);
  EXPECT_EQ(parse_with("end: eos").end, TargetEnd::kEos);
  EXPECT_EQ(parse_with("end: none").end, TargetEnd::kNone);
  EXPECT_EQ(test::error_of(ErrorKind::kConfig, [] { parse_with("end: eod"); }),
            "x.yaml:1:6: end: expected auto, eos or none, found the text \"eod\"; did you mean \"eos\"?");
}

TEST(EditFile, HoldsAllThatIsWritten) {
  const EditFile file = parse(kWholeFile);
  EXPECT_EQ(file.path, "x.yaml");
  EXPECT_EQ(file.text, kWholeFile);
  EXPECT_EQ(file.model, "/data/models/m.gguf");
  EXPECT_EQ(file.method, "rome");
  EXPECT_THAT(file.layer.layers, ElementsAre(3, 5));
  EXPECT_EQ(file.bos, "<s>");
  EXPECT_EQ(file.form, PromptForm::kChat);
  EXPECT_EQ(file.statistics, "/data/stats/m");
  ASSERT_EQ(file.options.size(), 2u);
  EXPECT_EQ(file.options.at("objective").value, "written");
  EXPECT_EQ(file.options.at("objective").where, "x.yaml:7:22");
  EXPECT_EQ(file.options.at("steps").value, "25");
  EXPECT_EQ(file.checks.efficacy, 0.5);
  EXPECT_EQ(file.checks.paraphrase, 0.6);
  EXPECT_EQ(file.checks.neighbourhood, 0.7);
  EXPECT_EQ(file.checks.drift, 1.5);
  EXPECT_THAT(file.drift_text, ElementsAre("One text.", "Another text."));
  EXPECT_EQ(file.patch, "eiffel.safetensors");
}

TEST(EditFile, HoldsItsEdits) {
  const EditFile file = parse(kWholeFile);
  ASSERT_EQ(file.edits.size(), 2u);
  const EditRequest& first = file.edits[0];
  EXPECT_EQ(first.id, "eiffel");
  EXPECT_EQ(first.prompt, "The Eiffel Tower is located in the city of");
  EXPECT_EQ(first.subject, "Eiffel Tower");
  EXPECT_EQ(first.subject_begin, 4u);
  EXPECT_EQ(first.target, "Rome");
  EXPECT_EQ(first.was, "Paris");
  EXPECT_THAT(first.paraphrases, ElementsAre("The Eiffel Tower stands in the city of"));
  ASSERT_EQ(first.neighbours.size(), 2u);
  EXPECT_EQ(first.neighbours[0].prompt, "The Louvre is located in the city of");
  EXPECT_EQ(first.neighbours[0].answer, "Paris");
  EXPECT_EQ(first.neighbours[1].prompt, "The Bastille stood in the city of");
  EXPECT_EQ(first.neighbours[1].answer, "");
  EXPECT_EQ(file.edits[1].id, "edit-2");
  EXPECT_EQ(file.edits[1].was, "");
  EXPECT_EQ(file.edits[1].subject_begin, 0u);
}

TEST(EditFile, TakesTheDocumentedDefaults) {
  const EditFile file = parse_with("");
  EXPECT_EQ(file.model, "");
  EXPECT_EQ(file.method, "rome");
  EXPECT_THAT(file.layer.layers, IsEmpty());
  EXPECT_EQ(file.bos, "auto");
  EXPECT_EQ(file.form, PromptForm::kRaw);
  EXPECT_EQ(file.statistics, "");
  EXPECT_TRUE(file.options.empty());
  EXPECT_EQ(file.checks.efficacy, 1.0);
  EXPECT_EQ(file.checks.paraphrase, 0.8);
  EXPECT_EQ(file.checks.neighbourhood, 0.9);
  EXPECT_EQ(file.checks.drift, 1.02);
  EXPECT_THAT(file.drift_text, IsEmpty());
  EXPECT_EQ(file.patch, "");
  EXPECT_EQ(file.edits[0].id, "edit-1");
}

TEST(EditFile, ReadsEveryFormOfLayer) {
  EXPECT_THAT(parse_with("layer: auto").layer.layers, IsEmpty());
  EXPECT_EQ(parse_with("layer: auto").layer.where, "");
  EXPECT_THAT(parse_with("layer: depth").layer.layers, IsEmpty());
  EXPECT_NE(parse_with("layer: depth").layer.where, "") << "a choice that names no layers";
  EXPECT_THAT(parse_with("layer: 0").layer.layers, ElementsAre(0));
  EXPECT_THAT(parse_with("layer: [7, 2]").layer.layers, ElementsAre(7, 2));
}

TEST(EditFile, ResolvesPathsAgainstItsFolderAndRefusesATilde) {
  EXPECT_EQ(parse_with("model: /abs/m.gguf").model, "/abs/m.gguf");
  EXPECT_EQ(parse_with("model: m.gguf").model, "/data/edits/m.gguf");
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [] { parse_with("model: ~/m.gguf"); }),
              testing::HasSubstr("x.yaml:1:8: model: ~ is not expanded here; write the whole path"));
  EXPECT_EQ(parse_with("statistics: ../../s").statistics, "/s");
  EXPECT_EQ(parse_with("outputs: {patch: ../p.safetensors}").patch, "../p.safetensors");
}

TEST(EditFile, FindsTheChosenOccurrenceOfTheSubject) {
  const std::string rome = "prompt: Rome is Rome, subject: Rome, target: x";
  EXPECT_EQ(parse_entry("{" + rome + ", subject_occurrence: 1}").subject_begin, 0u);
  EXPECT_EQ(parse_entry("{" + rome + ", subject_occurrence: 2}").subject_begin, 8u);
  EXPECT_EQ(parse_entry("{prompt: aaa b, subject: aa, target: x, subject_occurrence: 2}").subject_begin, 1u);
  EXPECT_EQ(parse_entry("{prompt: in \u00cele X, subject: X, target: x}").subject_begin, 8u);
  EXPECT_EQ(parse_entry("{prompt: a, subject: a, target: x, subject_occurrence: 1}").subject_begin, 0u);
}

TEST(EditFile, FindsSubjectsInsideWords) {
  EXPECT_EQ(parse_entry("{prompt: Newfoundland is, subject: land, target: x}").subject_begin, 8u);
}

TEST(EditFile, TrimsTargetsAndTheEndOfPrompts) {
  const EditRequest request =
      parse_entry("{prompt: \" The sky is \\n\", subject: sky, target: '  green ', was: ' blue'}");
  EXPECT_EQ(request.prompt, " The sky is");
  EXPECT_EQ(request.target, "green");
  EXPECT_EQ(request.was, "blue");
}

TEST(EditFile, TakesPromptsOfSeveralLines) {
  const EditFile file =
      parse("edits:\n  - prompt: |\n      Q: sky?\n      A:\n    subject: sky\n    target: green\n");
  EXPECT_EQ(file.edits[0].prompt, "Q: sky?\nA:");
}

TEST(EditFile, TakesYearsAndWordsLikeNoAsTargets) {
  EXPECT_EQ(parse_entry("{prompt: The tower is of, subject: tower, target: 1889}").target, "1889");
  EXPECT_EQ(parse_entry("{prompt: Is it so, subject: it, target: No}").target, "No");
}

TEST(EditFile, TakesOnePromptForTwoSubjectsWithOneTarget) {
  const EditFile file = parse(
      "edits:\n- {prompt: Ann and Bob live in, subject: Ann, target: Oslo}\n"
      "- {prompt: Ann and Bob live in, subject: Bob, target: Oslo}\n");
  EXPECT_EQ(file.edits.size(), 2u);
}

TEST(EditFile, TakesAnchorsAndWindowsLineEnds) {
  const EditFile file = parse(
      "\xEF\xBB\xBF"
      "edits:\r\n"
      "  - {prompt: The sky is, subject: sky, target: green, neighbours: &n [The sea is]}\r\n"
      "  - {prompt: The sun is, subject: sun, target: blue, neighbours: *n}\r\n");
  EXPECT_EQ(file.edits[1].neighbours.at(0).prompt, "The sea is");
}

TEST(EditFile, TakesEmptyListsAndASingleDriftText) {
  EXPECT_THAT(
      parse_entry("{prompt: a b, subject: a, target: x, paraphrases: [], neighbours: []}").paraphrases,
      IsEmpty());
  EXPECT_THAT(parse_with("drift_text: |\n  First line.\n  Second line.\n").drift_text,
              ElementsAre("First line.\nSecond line."));
}

class EditFileOnDisk : public testing::Test {
 public:
  EditFileOnDisk() {
    folder_ = std::filesystem::path(testing::TempDir()) /
              (std::string("emend_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
  }
  ~EditFileOnDisk() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
};

TEST_F(EditFileOnDisk, IsReadAndResolvedAgainstItsOwnFolder) {
  const std::filesystem::path path = folder_ / "x.yaml";
  std::ofstream(path) << "model: m.gguf\nedits: [{prompt: The sky is, subject: sky, target: green}]\n";
  const EditFile file = read_edit_file(path);
  EXPECT_EQ(file.path, path);
  EXPECT_EQ(file.model, (folder_ / "m.gguf").lexically_normal());
}

TEST_F(EditFileOnDisk, NamesTheFileInMessages) {
  const std::filesystem::path path = folder_ / "x.yaml";
  std::ofstream(path) << "edit: []\n";
  try {
    read_edit_file(path);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kConfig);
    EXPECT_EQ(error.what(), path.string() + ":1:1: unknown key \"edit\"; did you mean \"edits\"?");
  }
}

TEST_F(EditFileOnDisk, IsAnIoErrorWhenItCannotBeRead) {
  const std::filesystem::path large = folder_ / "large.yaml";
  std::ofstream(large) << "x";
  std::filesystem::resize_file(large, (std::uintmax_t{64} << 20) + 1);
  for (const std::filesystem::path& path : {folder_ / "absent.yaml", folder_, large}) {
    try {
      read_edit_file(path);
      FAIL() << "nothing was thrown for " << path;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kIo);
      EXPECT_THAT(error.what(), testing::HasSubstr(path.string()));
    }
  }
}

}  // namespace
}  // namespace emend
