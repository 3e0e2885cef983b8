// Edit files of JSON lines.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>

#include "emend/error.h"
#include "emend/records.h"
#include "tests/base/expect_error.h"

namespace emend {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

EditFile parse(const std::string& lines) {
  return parse_edit_file(lines, "x.jsonl", "/data/edits");
}

std::string error_of(const std::string& lines, ErrorKind kind = ErrorKind::kConfig) {
  return test::error_of(kind, [&] { parse(lines); });
}

constexpr const char* kSky = R"({"prompt": "The sky is", "subject": "sky", "target": "green"})";
constexpr const char* kWhole =
    R"({"id": "eiffel", "relation": "city", "known": true, "prompt": "The Eiffel Tower is in the city of ",
"subject": "Eiffel Tower", "subject_occurrence": 1, "target": " Rome ", "was": "Paris",
"paraphrases": ["The Eiffel Tower stands in\tthe city of"],
"neighbours": [{"prompt": "The Louvre is in", "answer": "Paris"}, "The Bastille stood in"],
"attributes": [], "generations": [], "locality": [], "portability": [], "same_subject": []})";

std::string on_one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

TEST(EditLines, HoldOneEditEach) {
  const std::string text = "\xEF\xBB\xBF" + on_one_line(kWhole) + "\r\n\n" + kSky;
  const EditFile file = parse(text);
  EXPECT_EQ(file.path, "x.jsonl");
  EXPECT_EQ(file.text, text);
  EXPECT_EQ(file.method, "rome");
  EXPECT_TRUE(file.layer.layers.empty());
  ASSERT_THAT(file.edits, SizeIs(2));
  const EditRequest& eiffel = file.edits[0];
  EXPECT_EQ(eiffel.id, "eiffel");
  EXPECT_EQ(eiffel.prompt, "The Eiffel Tower is in the city of");
  EXPECT_EQ(eiffel.subject_begin, 4u);
  EXPECT_EQ(eiffel.target, "Rome");
  EXPECT_EQ(eiffel.was, "Paris");
  EXPECT_THAT(eiffel.paraphrases, ElementsAre("The Eiffel Tower stands in\tthe city of"));
  ASSERT_THAT(eiffel.neighbours, SizeIs(2));
  EXPECT_EQ(eiffel.neighbours[0].answer, "Paris");
  EXPECT_EQ(eiffel.neighbours[1].prompt, "The Bastille stood in");
  EXPECT_EQ(file.edits[1].id, "edit-2");
}

// Line for line the same as in YAML.
TEST(EditLines, SayWhatTheYamlFormSays) {
  const EditFile lines = parse(on_one_line(kWhole));
  const EditFile yaml = parse_edit_file(
      "edits: [{id: eiffel, prompt: 'The Eiffel Tower is in the city of ', subject: Eiffel Tower, target: "
      "Rome, was: Paris, paraphrases: [\"The Eiffel Tower stands in\\tthe city of\"], neighbours: [{prompt: "
      "The Louvre is in, answer: Paris}, The Bastille stood in]}]",
      "x.yaml", "");
  EXPECT_EQ(make_edit_file(lines.edits).text, make_edit_file(yaml.edits).text);
}

TEST(EditLines, TakeEscapedPairsAndNumbersAsIds) {
  const EditFile file = parse(
      R"({"id": 17, "prompt": "The mood is", "subject": "mood", "target": "\ud83d\ude00", "was": null})");
  EXPECT_EQ(file.edits[0].id, "17");
  EXPECT_EQ(file.edits[0].target, "\xF0\x9F\x98\x80");
  EXPECT_EQ(file.edits[0].was, "");
}

TEST(EditLines, AnOccurrenceChoosesTheSubject) {
  const EditFile file =
      parse(R"({"prompt": "Orm met Orm in", "subject": "Orm", "subject_occurrence": 2, "target": "Velm"})");
  EXPECT_EQ(file.edits[0].subject_begin, 8u);
}

TEST(EditLines, ABenchmarksFileIsAnEditFile) {
  const EditFile file =
      read_edit_file(std::filesystem::path(EMEND_SOURCE_DIR) / "tests/data/world/edits.jsonl");
  EXPECT_GT(file.edits.size(), 100u);
  EXPECT_FALSE(file.edits[0].neighbours.empty());
}

TEST(EditLinesErrors, NameFileAndLine) {
  const std::string sound = std::string(kSky) + "\n\n";
  EXPECT_THAT(error_of(sound + "{\"prompt\": }", ErrorKind::kFormat),
              HasSubstr("x.jsonl:3:12: not valid JSON"));
  EXPECT_EQ(error_of(sound + "{\"prompt\": \"a\", \"prompt\": \"b\"}", ErrorKind::kFormat),
            "x.jsonl:3:17: the key \"prompt\" is there twice");
  EXPECT_EQ(error_of(sound + "[1]", ErrorKind::kFormat),
            "x.jsonl:3: the document must be an object, one edit a line, found an array");
  EXPECT_EQ(error_of(sound + R"({"prompt": "a b", "subject": "b", "traget": "c"})"),
            "x.jsonl:3: unknown key \"traget\"; did you mean \"target\"?");
  EXPECT_THAT(error_of(sound + R"({"prompt": "a b", "subject": "b"})", ErrorKind::kFormat),
              HasSubstr("x.jsonl:3: \"target\" is missing"));
  EXPECT_EQ(error_of(sound + R"({"prompt": "a b", "subject": "b", "target": 5})", ErrorKind::kFormat),
            "x.jsonl:3: \"target\" must be a string, found 5");
  EXPECT_EQ(error_of(sound + R"({"prompt": "a b", "subject": "b", "target": " "})"),
            "x.jsonl:3: target: the text is empty");
  EXPECT_EQ(error_of(sound + R"({"prompt": "a b", "subject": "b", "target": "c\nd"})"),
            "x.jsonl:3: target: a line end cannot stand here");
  EXPECT_THAT(error_of(sound + R"({"prompt": "a b", "subject": "x", "target": "c"})"),
              HasSubstr("x.jsonl:3: the subject \"x\" is not in the prompt \"a b\""));
  EXPECT_THAT(error_of(sound + R"({"prompt": "a B", "subject": "b", "target": "c"})"),
              HasSubstr("is not in the prompt \"a B\"; it has \"B\", and case matters"));
  EXPECT_THAT(error_of(sound + R"({"prompt": "b b", "subject": "b", "target": "c"})"),
              HasSubstr("x.jsonl:3: the subject \"b\" is in the prompt \"b b\" 2 times"));
  EXPECT_EQ(error_of(sound + R"({"prompt": "a b", "subject": "b", "target": "c", "was": "c"})"),
            "x.jsonl:3: was: target and was are both \"c\": nothing to edit");
  EXPECT_EQ(error_of(R"({"prompt": "a b", "subject": "b", "target": "c", "neighbours": [{"promt": "d"}]})"),
            "x.jsonl:1: neighbours[0]: unknown key \"promt\"; did you mean \"prompt\"?");
  EXPECT_EQ(error_of("\n \n"), "x.jsonl: the file is empty; expected one edit a line");
}

TEST(EditLinesErrors, ConflictsNameBothLines) {
  const auto line = [](const std::string& id, const std::string& target) {
    return fmt::format(R"({{"id": "{}", "prompt": "The sky is", "subject": "sky", "target": "{}"}})", id,
                       target) +
           "\n";
  };
  EXPECT_EQ(error_of(line("a", "red") + "\n" + line("a", "red")),
            "x.jsonl:3: the id \"a\" is taken: edits in line 1 and line 3 both have it");
  EXPECT_EQ(
      error_of(line("a", "red") + line("b", "blue")),
      "x.jsonl:2: the edits \"a\" (line 1) and \"b\" (line 2) want different answers to the prompt \"The "
      "sky is\": \"red\" and \"blue\"");
  EXPECT_EQ(
      error_of(line("a", "red") + line("b", "red")),
      "x.jsonl:2: the edits \"a\" (line 1) and \"b\" (line 2) say the same: prompt, subject and target are "
      "equal");
}

TEST(EditLinesErrors, TellAllLinesThatAreBroken) {
  const std::string message =
      error_of(std::string("{\"prompt\": }\n") + kSky + "\n{\"prompt\": \"a\"}\n", ErrorKind::kFormat);
  EXPECT_THAT(message, HasSubstr("3 mistakes in x.jsonl:\n  x.jsonl:1:12: not valid JSON"));
  EXPECT_THAT(message,
              HasSubstr("\n  x.jsonl:3: \"subject\" is missing\n  x.jsonl:3: \"target\" is missing"));
}

double seconds_to_parse(const std::string& lines, std::size_t edits) {
  const auto began = std::chrono::steady_clock::now();
  EXPECT_THAT(parse(lines).edits, SizeIs(edits));
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

// A tenth of a second on one slow core; anything quadratic takes minutes.
TEST(EditLines, TenThousandAreReadAndCheckedAtOnce) {
  std::string lines;
  for (int i = 0; i < 10000; ++i)
    lines +=
        fmt::format(
            R"({{"id": "fact-{0}", "prompt": "The town of Orm {0} lies in the land of", "subject": "Orm {0}", )"
            R"("target": "Velm", "was": "Tusk", "paraphrases": ["Orm {0} is in"], )"
            R"("neighbours": [{{"prompt": "The town of Esk lies in the land of", "answer": "Tusk"}}]}})",
            i) +
        "\n";
  EXPECT_LT(seconds_to_parse(lines, 10000), 5);
}

// One prompt for all, which differ only in the subject's place: each is held against all others at no more
// cost.
TEST(EditLines, ThousandsOfOnePromptAreHeldAgainstEachOtherAtOnce) {
  constexpr int kEdits = 2000;
  std::string prompt, lines;
  for (int i = 0; i < kEdits; ++i) prompt += fmt::format("w{} ", i + 10000);
  prompt += "is";
  for (int i = 0; i < kEdits; ++i)
    lines +=
        fmt::format(R"({{"prompt": "{}", "subject": "w{}", "target": "Velm"}})", prompt, i + 10000) + "\n";
  EXPECT_LT(seconds_to_parse(lines, kEdits), 10);
}

}  // namespace
}  // namespace emend
