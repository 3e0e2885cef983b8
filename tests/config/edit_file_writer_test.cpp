#include "config/edit_file_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "emend/records.h"

namespace emend {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;
using testing::SizeIs;

EditRequest edit(const std::string& id, const std::string& prompt, const std::string& subject,
                 const std::string& target) {
  EditRequest request;
  request.id = id;
  request.prompt = prompt;
  request.subject = subject;
  request.subject_begin = prompt.find(subject);
  request.target = target;
  return request;
}

void expect_same(const EditRequest& a, const EditRequest& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.prompt, b.prompt);
  EXPECT_EQ(a.subject, b.subject);
  EXPECT_EQ(a.subject_begin, b.subject_begin);
  EXPECT_EQ(a.target, b.target);
  EXPECT_EQ(a.was, b.was);
  EXPECT_EQ(a.paraphrases, b.paraphrases);
  ASSERT_EQ(a.neighbours.size(), b.neighbours.size());
  for (std::size_t i = 0; i < a.neighbours.size(); ++i) {
    EXPECT_EQ(a.neighbours[i].prompt, b.neighbours[i].prompt);
    EXPECT_EQ(a.neighbours[i].answer, b.neighbours[i].answer);
  }
}

TEST(EditFileWriter, TheReaderGivesTheEditsBack) {
  EditRequest whole = edit("a: #1", "Orm said: \"Orm\\the\tsmith\"\n- lives {in}", "Orm", "yes");
  whole.subject_begin = 11;
  whole.was = "~";
  whole.paraphrases = {"It's 5 o'clock # no comment",
                       "*x",
                       "& y",
                       "null",
                       "%",
                       "\xC3\xA9t\xC3\xA9 \xE2\x80\xA8 \xF0\x9F\x98\x80"};
  whole.neighbours = {{"Ilse, {a: b}", "1.5"}, {"Hanno: [", ""}};
  const std::vector<EditRequest> edits = {whole, edit("2", "The city of Velm is in", "Velm", "0x1F")};
  const FittedEdits fitted = fit_edits(edits, 0);
  EXPECT_THAT(fitted.left_out, IsEmpty());
  EXPECT_THAT(fitted.left_out_questions, IsEmpty());
  const EditFile file = parse_edit_file(edit_file_text(fitted.edits, {"from: a test", "two"}), "x.yaml", "");
  ASSERT_THAT(file.edits, SizeIs(2));
  for (std::size_t i = 0; i < 2; ++i) expect_same(file.edits[i], edits[i]);
  const EditFile lines = parse_edit_file(edit_lines_text(fitted.edits), "x.jsonl", "");
  ASSERT_THAT(lines.edits, SizeIs(2));
  for (std::size_t i = 0; i < 2; ++i) expect_same(lines.edits[i], edits[i]);
}

TEST(EditFileWriter, ALineHasOnlyWhatTheEditHas) {
  EXPECT_EQ(edit_lines_text({edit("a", "Orm is", "Orm", "tall"), edit("b", "Orm saw Orm", "Orm", "tall")}),
            R"({"id":"a","prompt":"Orm is","subject":"Orm","target":"tall"})"
            "\n"
            R"({"id":"b","prompt":"Orm saw Orm","subject":"Orm","subject_occurrence":1,"target":"tall"})"
            "\n");
}

TEST(EditFileWriter, PutsTheCommentOnTop) {
  const std::string text = edit_file_text({edit("a", "Orm is", "Orm", "tall")}, {"one", "two"});
  EXPECT_EQ(text,
            "# one\n# two\nedits:\n  - id: \"a\"\n    prompt: \"Orm is\"\n    subject: \"Orm\"\n    target: "
            "\"tall\"\n");
  EXPECT_THAT(text, Not(HasSubstr("subject_occurrence")));
}

TEST(FitEdits, LeavesOutWhatTheReaderWouldRefuse) {
  EditRequest same_answer = edit("same", "Jule is", "Jule", "tall");
  same_answer.was = " tall";
  EditRequest misplaced = edit("misplaced", "Jule is", "Jule", "tall");
  misplaced.subject_begin = 2;
  const std::vector<EditRequest> edits = {
      edit("a", "Orm is ", "Orm", " tall "),
      edit("a", "Ilse is", "Ilse", "tall"),
      edit("b", "Orm is", "Orm", "small"),
      edit("c", "Orm is", "Orm", "tall"),
      edit("d", "Hanno is", "Hanno", ""),
      edit("e", "Hanno\x01 is", "Hanno", "tall"),
      edit("f", "Hanno is", "Hanno", "very\ntall"),
      same_answer,
      misplaced,
      edit("g", "Brun is", "Brun", "tall"),
  };
  const FittedEdits fitted = fit_edits(edits, 0);
  ASSERT_THAT(fitted.edits, SizeIs(2));
  EXPECT_EQ(fitted.edits[0].target, "tall");
  EXPECT_EQ(fitted.edits[1].id, "g");
  EXPECT_THAT(fitted.left_out,
              ElementsAre(Pair("another target for a prompt met before", 1),
                          Pair("control character in the prompt", 1), Pair("duplicate edit", 1),
                          Pair("duplicate id", 1), Pair("empty field", 1),
                          Pair("line end or control character in a one-line field", 1),
                          Pair("subject not in its prompt", 1), Pair("target equals the present answer", 1)));
  parse_edit_file(edit_file_text(fitted.edits, {}), "x.yaml", "");
}

TEST(FitEdits, LeavesOutWordingsToWhichAnotherEditWantsAnotherAnswer) {
  EditRequest orm = edit("a", "Orm is", "Orm", "tall"), ilse = edit("b", "Ilse is", "Ilse", "short");
  orm.paraphrases = {"Ilse is", "It is"};
  ilse.paraphrases = {"It is", "She is"};
  const FittedEdits fitted = fit_edits({orm, ilse}, 0);
  EXPECT_THAT(fitted.edits[0].paraphrases, ElementsAre("It is"));
  EXPECT_THAT(fitted.edits[1].paraphrases, ElementsAre("She is"));
  EXPECT_THAT(fitted.left_out_questions,
              ElementsAre(Pair("paraphrase to which another edit wants another answer", 2)));
  parse_edit_file(edit_file_text(fitted.edits, {}), "x.yaml", "");
}

TEST(FitEdits, LeavesOutQuestionsThatCannotStand) {
  EditRequest orm = edit("a", "Orm is", "Orm", "tall");
  orm.paraphrases = {"Orm\x7F was", " ", "Orm was "};
  orm.neighbours = {{"Ilse is", "small"}, {"Hanno is", "smal\tl"}, {"Jule is", " small "}};
  const FittedEdits fitted = fit_edits({orm, edit("b", "Ilse is", "Ilse", "tall")}, 0);
  ASSERT_THAT(fitted.edits, SizeIs(2));
  EXPECT_THAT(fitted.edits[0].paraphrases, ElementsAre("Orm was"));
  ASSERT_THAT(fitted.edits[0].neighbours, SizeIs(1));
  EXPECT_EQ(fitted.edits[0].neighbours[0].answer, "small");
  EXPECT_THAT(fitted.left_out_questions, ElementsAre(Pair("control character", 2), Pair("empty prompt", 1),
                                                     Pair("neighbour that is edited itself", 1)));
}

TEST(FitEdits, StopsAtTheLimit) {
  const std::vector<EditRequest> edits = {
      edit("a", "Orm is", "Orm", ""), edit("b", "Ilse is", "Ilse", "tall"),
      edit("c", "Hanno is", "Hanno", "tall"), edit("d", "Jule is", "Jule", "")};
  const FittedEdits fitted = fit_edits(edits, 1);
  ASSERT_THAT(fitted.edits, SizeIs(1));
  EXPECT_EQ(fitted.edits[0].id, "b");
  EXPECT_EQ(fitted.beyond, 2u);
  EXPECT_THAT(fitted.left_out, ElementsAre(Pair("empty field", 1)));
}

}  // namespace
}  // namespace emend
