// Edits that are made in code, without YAML and without byte offsets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "emend/records.h"
#include "tests/base/expect_error.h"

namespace emend {
namespace {

using testing::ElementsAre;

std::string refusal(const std::string& prompt, const std::string& subject, const std::string& target,
                    std::optional<int> occurrence = std::nullopt) {
  return test::error_of(ErrorKind::kConfig, [&] { make_request(prompt, subject, target, occurrence); });
}

std::string refusal(const std::vector<EditRequest>& edits) {
  return test::error_of(ErrorKind::kConfig, [&] { make_edit_file(edits); });
}

const EditRequest kTower = make_request("The Eiffel Tower is in", "Eiffel Tower", "Rome");

TEST(MakeRequest, FindsTheSubject) {
  EXPECT_EQ(kTower.prompt, "The Eiffel Tower is in");
  EXPECT_EQ(kTower.subject, "Eiffel Tower");
  EXPECT_EQ(kTower.subject_begin, 4u);
  EXPECT_EQ(kTower.target, "Rome");
}

TEST(MakeRequest, CutsBlanksAsAnEditFileDoes) {
  const EditRequest request = make_request(" Orm is \n", "Orm", " tall ");
  EXPECT_EQ(request.prompt, " Orm is");
  EXPECT_EQ(request.target, "tall");
  EXPECT_EQ(request.subject_begin, 1u);
}

TEST(MakeRequest, AnOccurrenceChoosesAmongSeveral) {
  EXPECT_EQ(make_request("Orm met Orm in", "Orm", "Velm", 1).subject_begin, 0u);
  EXPECT_EQ(make_request("Orm met Orm in", "Orm", "Velm", 2).subject_begin, 8u);
  EXPECT_EQ(make_request("Orm is", "Orm", "tall", 1).subject_begin, 0u);
}

TEST(MakeRequest, SaysThatASubjectHasAnotherUnicodeForm) {
  EXPECT_EQ(refusal("The capital of Zoe\u0308 is", "Zo\u00EB", "Velm"),
            "the subject \"Zo\u00EB\" is not in the prompt \"The capital of Zoe\u0308 is\"; it stands there "
            "in another "
            "Unicode form (NFC or NFD), which looks the same: copy it from the prompt");
}

TEST(MakeRequest, RefusesASubjectThatHasNoSinglePlace) {
  EXPECT_EQ(refusal("Orm is", "Ilse", "tall"), R"(the subject "Ilse" is not in the prompt "Orm is")");
  EXPECT_EQ(refusal("Orm met Orm in", "Orm", "Velm"),
            R"(the subject "Orm" is in the prompt "Orm met Orm in" 2 times; say which occurrence: 1 to 2)");
  EXPECT_EQ(
      refusal("Orm is", "Orm", "tall", 2),
      R"(there is no occurrence 2 of the subject "Orm" in the prompt "Orm is": they count from 1 to 1)");
  EXPECT_EQ(
      refusal("Orm is", "Orm", "tall", 0),
      R"(there is no occurrence 0 of the subject "Orm" in the prompt "Orm is": they count from 1 to 1)");
}

TEST(MakeRequest, RefusesEmptyTexts) {
  EXPECT_EQ(refusal("Orm is", " ", "tall"), "the subject is empty");
  EXPECT_EQ(refusal("Orm is", "Orm", " "), "the target is empty");
}

TEST(MakeEditFile, NumbersTheEditsThatHaveNoId) {
  EditRequest named = make_request("Orm is", "Orm", "tall");
  named.id = "orm";
  const EditFile file = make_edit_file({named, kTower});
  EXPECT_THAT(file.edits, ElementsAre(testing::Field(&EditRequest::id, "orm"),
                                      testing::Field(&EditRequest::id, "edit-2")));
  EXPECT_EQ(file.path, "edits");
  EXPECT_EQ(file.method, "rome");
}

TEST(MakeEditFile, ItsTextIsThatOfAnEditFileWithTheSameEdits) {
  EditRequest request = make_request("Orm met Orm in", "Orm", "Velm", 2);
  request.was = "Hask";
  request.paraphrases = {"Where Orm met him was "};
  request.neighbours = {{"Ilse lives in", " Hask"}, {"Hanno lives in", ""}};
  const EditFile made = make_edit_file({request});
  const EditFile read = parse_edit_file(made.text, "x.yaml", "");
  ASSERT_EQ(read.edits.size(), 1u);
  EXPECT_EQ(read.edits[0].id, made.edits[0].id);
  EXPECT_EQ(read.edits[0].prompt, made.edits[0].prompt);
  EXPECT_EQ(read.edits[0].subject_begin, 8u);
  EXPECT_EQ(read.edits[0].was, "Hask");
  EXPECT_EQ(read.edits[0].paraphrases, made.edits[0].paraphrases);
  EXPECT_EQ(read.edits[0].neighbours[0].answer, "Hask");
  EXPECT_EQ(read.edits[0].neighbours[1].prompt, "Hanno lives in");
}

TEST(MakeEditFile, RefusesWhatAnEditFileCannotHold) {
  EXPECT_EQ(refusal({}), "there are no edits; at least one is expected");
  EXPECT_EQ(refusal({kTower, kTower}), "the edit \"edit-2\": duplicate edit");
  EXPECT_EQ(refusal({kTower, make_request("The Eiffel Tower is in", "Eiffel Tower", "Bern")}),
            "the edit \"edit-2\": another target for a prompt met before");
  EditRequest moved = kTower;
  moved.subject_begin = 5;
  EXPECT_EQ(refusal({moved}), "the edit \"edit-1\": subject not in its prompt");
  EditRequest unchanged = kTower;
  unchanged.was = "Rome ";
  EXPECT_EQ(refusal({unchanged}), "the edit \"edit-1\": target equals the present answer");
  EditRequest question = kTower;
  question.paraphrases = {"a\x01 b"};
  EXPECT_EQ(refusal({question}), "the edit \"edit-1\": control character in a paraphrase");
  question.paraphrases.clear();
  question.neighbours = {{" ", "Paris"}};
  EXPECT_EQ(refusal({question}), "the edit \"edit-1\": empty prompt in a neighbour");
}

TEST(MakeEditFile, RefusesOneWordingWithTwoTargets) {
  EditRequest other = make_request("The tower of Eiffel is in", "Eiffel", "Bern");
  other.paraphrases = {kTower.prompt};
  EXPECT_EQ(
      refusal({kTower, other}),
      "the edit \"edit-2\": another edit wants another answer to the paraphrase \"" + kTower.prompt + "\"");
  EXPECT_EQ(refusal({other, kTower}),
            "the edit \"edit-2\": another edit wants another answer to the prompt \"" + kTower.prompt + "\"");
  other.target = kTower.target;
  EXPECT_EQ(make_edit_file({kTower, other}).edits.size(), 2u);
}

TEST(MakeEditFile, RefusesTwoEditsOfOneId) {
  EditRequest second = make_request("Orm is", "Orm", "tall");
  second.id = "edit-1";
  EXPECT_EQ(refusal({kTower, second}), "the edit \"edit-1\": duplicate id");
}

}  // namespace
}  // namespace emend
