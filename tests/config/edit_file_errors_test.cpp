// Every way in which an edit file can be wrong, with the whole message.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "emend/records.h"
#include "tests/base/expect_error.h"

namespace emend {
namespace {

constexpr const char* kEdits = "edits: [{prompt: The sky is, subject: sky, target: green}]\n";

std::string error_of(const std::string& yaml) {
  return test::error_of(ErrorKind::kConfig, [&] { parse_edit_file(yaml, "x.yaml", ""); });
}

// The error of a sound file to which `line` is put in front.
std::string top_error(const std::string& line) {
  return error_of(line + "\n" + kEdits);
}

// The error of the flow map `entry` as the only edit; it begins in line 2, column 5.
std::string entry_error(const std::string& entry) {
  return error_of("edits:\n  - " + entry);
}

// The same for an otherwise sound edit with `more` in it, in line 3.
std::string more_error(const std::string& more) {
  return entry_error("{prompt: The sky is, subject: sky, target: green,\n     " + more + "}");
}

TEST(EditFileErrors, Syntax) {
  EXPECT_EQ(error_of("edits:\n  - prompt: a: b"),
            "x.yaml:2:14: not valid YAML: illegal map value (a text with \": \" in it needs quotes)");
  EXPECT_EQ(
      error_of("edits:\n\t- prompt: a"),
      "x.yaml:2:2: not valid YAML: illegal block entry (this line begins with a tab, which cannot indent; "
      "use spaces)");
  EXPECT_EQ(
      error_of("edits:\n  - id: a\n\tprompt: b"),
      "x.yaml:3:1: not valid YAML: illegal tab when looking for indentation (this line begins with a tab, "
      "which cannot indent; use spaces)");
  EXPECT_EQ(error_of(""), "x.yaml:1:1: the file is empty; expected a map");
}

TEST(EditFileErrors, UnknownKeys) {
  EXPECT_EQ(
      error_of("edits:\n  - &a {prompt: The sky is, subject: sky, target: green}\n  - <<: *a\n    id: b"),
      "x.yaml:3:5: edits[2]: merge keys (<<) are not read; write the keys out");
  EXPECT_EQ(
      entry_error("{prompt: The sky is, subject: sky, target_new: green}"),
      "x.yaml:2:40: edits[1]: unknown key \"target_new\" of a benchmark's records, which can be converted "
      "into an edit file; did you mean \"target\"?");
  EXPECT_EQ(top_error("metod: rome"), "x.yaml:1:1: unknown key \"metod\"; did you mean \"method\"?");
  EXPECT_EQ(top_error("format: raw"), "x.yaml:1:1: unknown key \"format\"; did you mean \"form\"?");
  EXPECT_EQ(more_error("paraphrase: [x]"),
            "x.yaml:3:6: edits[1]: unknown key \"paraphrase\"; did you mean \"paraphrases\"?");
  EXPECT_EQ(more_error("neighbours: [{prompt: a, answr: b}]"),
            "x.yaml:3:31: edits[1].neighbours[1]: unknown key \"answr\"; did you mean \"answer\"?");
  EXPECT_EQ(top_error("checks: {efficiency_of_it: 1}"),
            "x.yaml:1:10: checks: unknown key \"efficiency_of_it\"; known: efficacy, paraphrase, said, "
            "neighbourhood, drift, bleed");
  EXPECT_EQ(top_error("outputs: {patches: a}"),
            "x.yaml:1:11: outputs: unknown key \"patches\"; did you mean \"patch\"?");
}

TEST(EditFileErrors, RepeatedKeys) {
  EXPECT_EQ(top_error("form: raw\nform: chat"),
            "x.yaml:2:1: the key \"form\" stands here twice, first in line 1");
  EXPECT_EQ(more_error("target: blue"),
            "x.yaml:3:6: edits[1]: the key \"target\" stands here twice, first in line 2");
  EXPECT_EQ(top_error("options: {steps: 1, steps: 2}"),
            "x.yaml:1:21: options: the key \"steps\" stands here twice, first in line 1");
}

TEST(EditFileErrors, NoEdits) {
  EXPECT_EQ(error_of("form: raw"), "x.yaml:1:1: the key \"edits\" is missing; expected a list of edits");
  EXPECT_EQ(error_of("edits: []"), "x.yaml:1:8: edits: the list is empty; expected at least one edit");
  EXPECT_EQ(error_of("edits:"), "x.yaml:1:1: edits: expected a list, found nothing");
  EXPECT_EQ(error_of("edits: {prompt: a}"), "x.yaml:1:8: edits: expected a list, found a map");
  EXPECT_EQ(error_of("edits: [a]"), "x.yaml:1:9: edits[1]: expected a map, found the text \"a\"");
}

TEST(EditFileErrors, MissingFields) {
  EXPECT_EQ(entry_error("{subject: a, target: b}"), "x.yaml:2:5: edits[1]: the key \"prompt\" is missing");
  EXPECT_EQ(entry_error("{prompt: a, target: b}"), "x.yaml:2:5: edits[1]: the key \"subject\" is missing");
  EXPECT_EQ(entry_error("{prompt: a, subject: a}"), "x.yaml:2:5: edits[1]: the key \"target\" is missing");
  EXPECT_EQ(more_error("neighbours: [{answer: a}]"),
            "x.yaml:3:19: edits[1].neighbours[1]: the key \"prompt\" is missing");
}

TEST(EditFileErrors, EmptyFields) {
  EXPECT_EQ(entry_error("{prompt: ' ', subject: a, target: b}"),
            "x.yaml:2:14: edits[1].prompt: the text is empty");
  EXPECT_EQ(entry_error("{prompt: a, subject: ' ', target: b}"),
            "x.yaml:2:26: edits[1].subject: the subject is empty");
  EXPECT_EQ(entry_error("{prompt: a, subject: a, target: '  '}"),
            "x.yaml:2:37: edits[1].target: the text is empty");
  EXPECT_EQ(more_error("id: ''"), "x.yaml:3:10: edits[1].id: the text is empty");
  EXPECT_EQ(more_error("was: ''"), "x.yaml:3:11: edits[1].was: the text is empty");
  EXPECT_EQ(more_error("paraphrases: [a, '']"), "x.yaml:3:23: edits[1].paraphrases[2]: the text is empty");
  EXPECT_EQ(more_error("neighbours: ['']"), "x.yaml:3:19: edits[1].neighbours[1]: the text is empty");
  EXPECT_EQ(more_error("neighbours: [{prompt: a, answer: ''}]"),
            "x.yaml:3:39: edits[1].neighbours[1].answer: the text is empty");
  EXPECT_EQ(top_error("model: ''"), "x.yaml:1:8: model: the text is empty");
  EXPECT_EQ(top_error("drift_text: ' '"), "x.yaml:1:13: drift_text: the text is empty");
}

TEST(EditFileErrors, WrongTypes) {
  EXPECT_EQ(entry_error("{prompt: [a], subject: a, target: b}"),
            "x.yaml:2:14: edits[1].prompt: expected a text, found a list");
  EXPECT_EQ(
      entry_error("{prompt: a, subject: a, target: null}"),
      "x.yaml:2:29: edits[1].target: expected a text (in quotes if it is the word null or ~), found nothing");
  EXPECT_EQ(more_error("paraphrases: a"),
            "x.yaml:3:19: edits[1].paraphrases: expected a list, found the text \"a\"");
  EXPECT_EQ(
      more_error("neighbours: [{prompt: 'The sky is ', answer: blue}]"),
      "x.yaml:3:19: edits[1].neighbours[1]: this is the prompt of the edit itself, whose answer changes; a "
      "neighbour is another prompt");
  EXPECT_EQ(more_error("neighbours: [[a]]"),
            "x.yaml:3:19: edits[1].neighbours[1]: expected a prompt or a map {prompt, answer}, found a list");
  EXPECT_EQ(top_error("options: [a]"), "x.yaml:1:10: options: expected a map, found a list");
  EXPECT_EQ(top_error("options: {layers: [1]}"),
            "x.yaml:1:19: options.layers: expected a text, found a list");
  EXPECT_EQ(top_error("drift_text: {a: b}"),
            "x.yaml:1:13: drift_text: expected a text or a list of texts, found a map");
  EXPECT_EQ(top_error("checks: 1"), "x.yaml:1:9: checks: expected a map, found the text \"1\"");
  EXPECT_EQ(top_error("outputs: p"), "x.yaml:1:10: outputs: expected a map, found the text \"p\"");
}

TEST(EditFileErrors, LineEndsAndControlCharacters) {
  EXPECT_EQ(entry_error("{prompt: a, subject: a, target: \"b\\nc\"}"),
            "x.yaml:2:37: edits[1].target: a line end cannot stand here");
  EXPECT_EQ(entry_error("{prompt: \"a\\e\", subject: a, target: b}"),
            "x.yaml:2:14: edits[1].prompt: the control character U+001B cannot stand here");
  EXPECT_EQ(error_of("edits:\n  - prompt: \x01"),
            "x.yaml:2:13: the control character U+0001 cannot stand in a YAML file; expected UTF-8 text");
  EXPECT_EQ(
      error_of("edits:\n  - prompt: caf\xE9"),
      "x.yaml:2:16: the byte 0xE9, which is not UTF-8, cannot stand in a YAML file; expected UTF-8 text");
}

TEST(EditFileErrors, Subjects) {
  EXPECT_EQ(entry_error("{prompt: The sky is, subject: sea, target: b}"),
            "x.yaml:2:35: edits[1].subject: the subject \"sea\" is not in the prompt \"The sky is\"");
  EXPECT_EQ(entry_error("{prompt: The sky is, subject: Sky, target: b}"),
            "x.yaml:2:35: edits[1].subject: the subject \"Sky\" is not in the prompt \"The sky is\"; it has "
            "\"sky\", "
            "and case matters");
  EXPECT_EQ(entry_error("{prompt: Zoe\u0308 is, subject: Zo\u00EB, target: b}"),
            "x.yaml:2:32: edits[1].subject: the subject \"Zo\u00EB\" is not in the prompt \"Zoe\u0308 is\"; "
            "it stands "
            "there in another Unicode form (NFC or NFD), which looks the same: copy it from the prompt");
  EXPECT_EQ(
      entry_error("{prompt: Rome is Rome, subject: Rome, target: b}"),
      "x.yaml:2:37: edits[1].subject: the subject \"Rome\" is in the prompt 2 times; say which one with "
      "subject_occurrence: 1 to 2");
}

TEST(EditFileErrors, SubjectOccurrences) {
  EXPECT_EQ(more_error("subject_occurrence: 2"),
            "x.yaml:3:26: edits[1].subject_occurrence: there is no occurrence 2: the subject \"sky\" is in "
            "the prompt "
            "once");
  EXPECT_EQ(more_error("subject_occurrence: 0"),
            "x.yaml:3:26: edits[1].subject_occurrence: occurrences count from 1, found 0");
  EXPECT_EQ(more_error("subject_occurrence: last"),
            "x.yaml:3:26: edits[1].subject_occurrence: expected an integer, found the text \"last\"");
}

TEST(EditFileErrors, TargetThatIsThePresentAnswer) {
  EXPECT_EQ(more_error("was: ' green '"),
            "x.yaml:3:11: edits[1].was: target and was are both \"green\": nothing to edit");
}

TEST(EditFileErrors, RepeatedIds) {
  EXPECT_EQ(error_of("edits:\n"
                     "- {id: x, prompt: The sky is, subject: sky, target: green}\n"
                     "- {id: x, prompt: The sea is, subject: sea, target: red}\n"),
            "x.yaml:3:8: edits[2].id: the id \"x\" is taken: edits in line 2 and line 3 both have it");
  EXPECT_EQ(error_of("edits:\n"
                     "- {id: edit-2, prompt: The sky is, subject: sky, target: green}\n"
                     "- {prompt: The sea is, subject: sea, target: red}\n"),
            "x.yaml:3:3: edits[2]: the id \"edit-2\" is taken: edits in line 2 and line 3 both have it");
}

TEST(EditFileErrors, ContradictingAndRepeatedEdits) {
  EXPECT_EQ(error_of("edits:\n"
                     "- {id: a, prompt: The sky is, subject: sky, target: green}\n"
                     "- {id: b, prompt: The sky is, subject: sky, target: red}\n"),
            "x.yaml:3:8: edits[2].id: the edits \"a\" (line 2) and \"b\" (line 3) want different answers to "
            "the prompt "
            "\"The sky is\": \"green\" and \"red\"");
  EXPECT_EQ(error_of("edits:\n"
                     "- {prompt: The sky is, subject: sky, target: green}\n"
                     "- {prompt: 'The sky is ', subject: sky, target: ' green'}\n"),
            "x.yaml:3:3: edits[2]: the edits \"edit-1\" (line 2) and \"edit-2\" (line 3) say the same: "
            "prompt, subject "
            "and target are equal");
  EXPECT_EQ(error_of("edits:\n"
                     "- {id: a, prompt: Ann and Bob live in, subject: Ann, target: Oslo}\n"
                     "- {id: b, prompt: Ann and Bob live in, subject: Bob, target: Rome}\n"),
            "x.yaml:3:8: edits[2].id: the edits \"a\" (line 2) and \"b\" (line 3) want different answers to "
            "the prompt "
            "\"Ann and Bob live in\": \"Oslo\" and \"Rome\"");
}

TEST(EditFileErrors, OneWordingWithTwoTargets) {
  const std::string a =
      "- {id: a, prompt: The sky is, subject: sky, target: green, paraphrases: [Look the sky is]}\n";
  EXPECT_EQ(error_of("edits:\n" + a + "- {id: b, prompt: Look the sky is, subject: sky, target: red}\n"),
            "x.yaml:3:8: edits[2].id: the edits \"a\" (line 2) and \"b\" (line 3) want different answers to "
            "the prompt \"Look the sky is\": \"green\" and \"red\"");
  EXPECT_EQ(error_of("edits:\n" + a +
                     "- {id: b, prompt: The sun is, subject: sun, target: red, paraphrases: [The sky is]}\n"),
            "x.yaml:3:8: edits[2].id: the edits \"a\" (line 2) and \"b\" (line 3) want different answers to "
            "the wording \"The sky is\": \"green\" and \"red\"");
  EXPECT_EQ(
      error_of("edits:\n" + a +
               "- {id: b, prompt: The sun is, subject: sun, target: red, paraphrases: [Look the sky is]}\n"),
      "x.yaml:3:8: edits[2].id: the edits \"a\" (line 2) and \"b\" (line 3) want different answers to "
      "the wording \"Look the sky is\": \"green\" and \"red\"");
  const std::string same =
      "edits:\n" + a +
      "- {id: b, prompt: Look the sky is, subject: sky, target: green, paraphrases: [The sky is]}\n";
  EXPECT_EQ(parse_edit_file(same, "x.yaml", "").edits.size(), 2u);
}

TEST(EditFileErrors, AllAreToldAtOnce) {
  EXPECT_EQ(
      error_of("metod: rome\n"
               "layer: last\n"
               "checks: {efficacy: 2, drfit: 1.1}\n"
               "edits:\n"
               "- {prompt: The sky is, subject: sea, target: green, was: '', paraphrases: ['', fine, [a]]}\n"
               "- {prompt: The sky is, subjct: sky, target: red}\n"
               "- {prompt: The sun is, subject: sun, target: red}\n"
               "- 5\n"),
      "10 mistakes in x.yaml:\n"
      "  x.yaml:1:1: unknown key \"metod\"; did you mean \"method\"?\n"
      "  x.yaml:2:8: layer: expected auto, depth, a layer number or a list of layer numbers, found the text "
      "\"last\"\n"
      "  x.yaml:3:23: checks: unknown key \"drfit\"; did you mean \"drift\"?\n"
      "  x.yaml:3:20: checks.efficacy: expected a share from 0 to 1, found 2\n"
      "  x.yaml:5:33: edits[1].subject: the subject \"sea\" is not in the prompt \"The sky is\"\n"
      "  x.yaml:5:58: edits[1].was: the text is empty\n"
      "  x.yaml:5:76: edits[1].paraphrases[1]: the text is empty\n"
      "  x.yaml:5:86: edits[1].paraphrases[3]: expected a text, found a list\n"
      "  x.yaml:6:24: edits[2]: unknown key \"subjct\"; did you mean \"subject\"?\n"
      "  x.yaml:8:3: edits[4]: expected a map, found the text \"5\"");
}

// Edits that are sound themselves are compared, also beside one that is not.
TEST(EditFileErrors, ConflictsAreToldBesideOtherMistakes) {
  const std::string sky = "- {id: a, prompt: The sky is, subject: sky, target: green}\n";
  const std::string wrong = "- {id: a, prompt: The sea is, subject: sun, target: red}\n";
  EXPECT_EQ(error_of("edits:\n" + sky + wrong + sky),
            "2 mistakes in x.yaml:\n"
            "  x.yaml:3:40: edits[2].subject: the subject \"sun\" is not in the prompt \"The sea is\"\n"
            "  x.yaml:4:8: edits[3].id: the id \"a\" is taken: edits in line 2 and line 4 both have it");
  const std::string lines =
      "{\"prompt\": \"The sky is\", \"subject\": \"sky\", \"target\": \"green\"}\n"
      "{\"prompt\": \"The sky is\", \"subject\": \"sun\", \"target\": \"green\"}\n"
      "{\"prompt\": \"The sky is\", \"subject\": \"sky\", \"target\": \"red\"}\n";
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { parse_edit_file(lines, "x.jsonl", ""); }),
              testing::AllOf(testing::HasSubstr("2 mistakes in x.jsonl"), testing::HasSubstr("x.jsonl:2: "),
                             testing::HasSubstr("want different answers to the prompt \"The sky is\"")));
}

TEST(EditFileErrors, OfManyTheFirstTwentyAreTold) {
  std::string yaml = "edits:\n", lines;
  for (int i = 0; i < 30; ++i) {
    yaml += "- {prompt: The sky is, subject: sky}\n";
    lines += "{\"prompt\": \"The sky is\", \"subject\": \"sky\", \"target\": \"\"}\n";
  }
  const std::string message = error_of(yaml);
  EXPECT_TRUE(message.starts_with("the first 20 mistakes in x.yaml:\n  x.yaml:2:3: edits[1]: ")) << message;
  EXPECT_EQ(std::count(message.begin(), message.end(), '\n'), 20);
  const std::string json = test::error_of(ErrorKind::kConfig, [&] { parse_edit_file(lines, "x.jsonl", ""); });
  EXPECT_TRUE(json.starts_with("the first 20 mistakes in x.jsonl:\n  x.jsonl:1: target: the text is empty"))
      << json;
}

TEST(EditFileErrors, Layers) {
  const std::string expected = "expected auto, depth, a layer number or a list of layer numbers, found ";
  EXPECT_EQ(top_error("layer: -1"), "x.yaml:1:8: layer: layers count from 0, found -1");
  EXPECT_EQ(top_error("layer: last"), "x.yaml:1:8: layer: " + expected + "the text \"last\"");
  EXPECT_EQ(top_error("layer: 1.5"), "x.yaml:1:8: layer: " + expected + "the text \"1.5\"");
  EXPECT_EQ(top_error("layer: {a: 1}"), "x.yaml:1:8: layer: " + expected + "a map");
  EXPECT_EQ(top_error("layer:"), "x.yaml:1:1: layer: " + expected + "nothing");
  EXPECT_EQ(top_error("layer: [3, 4, 3]"), "x.yaml:1:15: layer[3]: layer 3 is in the list twice");
  EXPECT_EQ(top_error("layer: [auto]"), "x.yaml:1:9: layer[1]: " + expected + "the text \"auto\"");
  EXPECT_EQ(top_error("layer: [-2]"), "x.yaml:1:9: layer[1]: layers count from 0, found -2");
  EXPECT_EQ(top_error("layer: []"), "x.yaml:1:8: layer: the list of layers is empty");
}

TEST(EditFileErrors, Paths) {
  EXPECT_EQ(top_error("model: ~/m.gguf"),
            "x.yaml:1:8: model: ~ is not expanded here; write the whole path instead of \"~/m.gguf\"");
}

TEST(EditFileErrors, Forms) {
  EXPECT_EQ(top_error("form: chatt"),
            "x.yaml:1:7: form: expected raw or chat, found the text \"chatt\"; did you mean \"chat\"?");
}

TEST(EditFileErrors, Thresholds) {
  EXPECT_EQ(top_error("checks: {efficacy: 1.1}"),
            "x.yaml:1:20: checks.efficacy: expected a share from 0 to 1, found 1.1");
  EXPECT_EQ(top_error("checks: {paraphrase: -0.1}"),
            "x.yaml:1:22: checks.paraphrase: expected a share from 0 to 1, found -0.1");
  EXPECT_EQ(top_error("checks: {neighbourhood: 90%}"),
            "x.yaml:1:25: checks.neighbourhood: expected a number, found the text \"90%\"");
  EXPECT_EQ(top_error("checks: {drift: 0.99}"),
            "x.yaml:1:17: checks.drift: expected a ratio of at least 1, found 0.99");
}

// Nothing but Error(kConfig) comes out, however the file is broken.
void parse_broken(const std::string& yaml) {
  try {
    parse_edit_file(yaml, "x.yaml", "");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kConfig) << yaml;
    EXPECT_THAT(error.what(),
                testing::ContainsRegex("^(x\\.yaml:|[0-9]+ mistakes in x\\.yaml:\n  x\\.yaml:)"))
        << yaml;
  }
}

TEST(EditFileErrors, FilesBrokenByteByByte) {
  const std::string sound =
      "layer: [1, 2]\noptions: {a: 'b'}\nedits:\n  - prompt: \"The \\u00e9 sky\"\n    subject: &s sky\n    "
      "target: >-\n"
      "      green\n    neighbours: [*s, {prompt: x, answer: y}]\nchecks: {drift: 1.5}\n";
  ASSERT_NO_THROW(parse_edit_file(sound, "x.yaml", ""));
  for (std::size_t at = 0; at < sound.size(); ++at) {
    parse_broken(sound.substr(0, at));
    parse_broken(sound.substr(0, at) + sound.substr(at + 1));
    for (const char c : std::string("\0\n\t:-[{}]&*!|>'\"%#,?\xC3", 21)) {
      std::string broken = sound;
      broken[at] = c;
      parse_broken(broken);
    }
  }
}

}  // namespace
}  // namespace emend
