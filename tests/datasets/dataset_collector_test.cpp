#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../base/expect_error.h"
#include "datasets/collector.h"
#include "datasets/subject_place.h"

namespace emend {
namespace {

using testing::ElementsAre;
using testing::Pair;
using testing::SizeIs;
using testing::StartsWith;

EvalRecord fact(const std::string& id, const std::string& prompt, const std::string& subject,
                const std::string& target) {
  EvalRecord record;
  record.request.id = id;
  find_subject(record.request, prompt, subject);
  record.request.target = target;
  return record;
}

TEST(SubjectPlace, FillsTheSpanAndNothingElse) {
  EditRequest request;
  ASSERT_TRUE(fill_subject(request, "As Orm said, {} lives in ", " Orm "));
  EXPECT_EQ(request.prompt, "As Orm said, Orm lives in");
  EXPECT_EQ(request.subject, "Orm");
  EXPECT_EQ(request.subject_begin, 13u);
  EXPECT_EQ(prompt_template(request), "As Orm said, {} lives in");
}

TEST(SubjectPlace, TakesASubjectThatHoldsBraces) {
  EditRequest request;
  ASSERT_TRUE(fill_subject(request, "The set {} is", "{}"));
  EXPECT_EQ(request.prompt, "The set {} is");
  EXPECT_EQ(request.subject_begin, 8u);
}

TEST(SubjectPlace, RefusesTwoPlaces) {
  EditRequest request;
  EXPECT_FALSE(fill_subject(request, "{} and {} are", "Orm"));
  EXPECT_TRUE(request.prompt.empty());
}

TEST(SubjectPlace, FindsTheFirstOccurrence) {
  EditRequest request;
  find_subject(request, "Orm, son of Orm, lives in", "Orm");
  EXPECT_EQ(request.subject_begin, 0u);
  ASSERT_TRUE(fill_subject(request, "The city of Orm is", "Orm"));  // no {}: it is searched for
  EXPECT_EQ(request.subject_begin, 12u);
  find_subject(request, "orm lives in", "Orm");
  EXPECT_EQ(request.subject_begin, kNotInPrompt);
}

TEST(Collector, KeepsWhatCanBeUsed) {
  Collector collector("known", "/data/set.json");
  EvalRecord record = fact("7", "Orm lives in ", "Orm", " Velm ");
  record.request.was = " Tarn";
  record.request.paraphrases = {"Orm's home is \n", " "};
  record.request.neighbours = {{"Ilse lives in ", " Tarn "}, {"", "Tarn"}};
  record.locality = {{"k", "Orm works in", ""}};
  record.portability = {{"k", "Orm's river is", ""}, {"k", "Orm's river is", "the Ahl"}};
  collector.add(3, record);
  const DatasetFile file = collector.take();
  EXPECT_EQ(file.dataset, "known");
  EXPECT_EQ(file.path, "/data/set.json");
  ASSERT_THAT(file.records, SizeIs(1));
  const EvalRecord& kept = file.records[0];
  EXPECT_EQ(kept.where, "set.json: record 3");
  EXPECT_EQ(kept.request.prompt, "Orm lives in");
  EXPECT_EQ(kept.request.target, "Velm");
  EXPECT_EQ(kept.request.was, "Tarn");
  EXPECT_THAT(kept.request.paraphrases, ElementsAre("Orm's home is"));
  ASSERT_THAT(kept.request.neighbours, SizeIs(1));
  EXPECT_EQ(kept.request.neighbours[0].prompt, "Ilse lives in");
  EXPECT_EQ(kept.request.neighbours[0].answer, "Tarn");
  EXPECT_THAT(kept.locality, SizeIs(1));  // its answer is what the base model says
  ASSERT_THAT(kept.portability, SizeIs(1));
  EXPECT_EQ(kept.portability[0].answer, "the Ahl");
  EXPECT_THAT(file.notes,
              ElementsAre("Questions left out because they have no prompt, or none of the answers "
                          "that portability needs: 3."));
}

TEST(Collector, CountsByReasonWhatCannot) {
  Collector collector("known", "set.json");
  collector.add(0, fact("a", "Orm lives in", "Orm", "Velm"));
  collector.add(1, fact("b", "Orm lives in", "Ilse", "Velm"));
  collector.add(2, fact("c", "Orm lives in", " ", "Velm"));
  collector.add(3, fact("d", "Orm lives in", "Orm", "  "));
  collector.add(4, fact("a", "Ilse lives in", "Ilse", "Velm"));
  collector.add(5, fact("e", "Orm lives in", "Orm", "Velm"));
  collector.add(6, fact("f", "Orm lives in", "Orm", "Tarn"));  // another target: for the user to judge
  const DatasetFile file = collector.take();
  EXPECT_THAT(file.records, SizeIs(2));
  EXPECT_THAT(file.skipped,
              ElementsAre(Pair("duplicate edit", 1), Pair("duplicate id", 1), Pair("empty subject", 1),
                          Pair("empty target", 1), Pair("subject not in its prompt", 1)));
  EXPECT_THAT(
      file.skipped_examples,
      ElementsAre("record 1: the subject \"Ilse\" is not in its prompt \"Orm lives in\"",
                  "record 2: the subject is empty", "record 3: the target is empty",
                  "record 4: the id \"a\" is taken",
                  "record 5: an earlier record has the prompt \"Orm lives in\" and the target \"Velm\""));
}

TEST(Collector, KeepsTargetsThatAreThePresentAnswer) {
  Collector collector("known", "set.json");
  EvalRecord record = fact("a", "Orm lives in", "Orm", "Velm");
  record.request.was = "Velm";
  collector.add(0, record);
  EXPECT_THAT(collector.take().records, SizeIs(1));
}

TEST(Collector, GivesAtMostTenExamples) {
  Collector collector("known", "set.json");
  collector.add(0, fact("a", "Orm lives in", "Orm", "Velm"));
  for (std::size_t i = 1; i < 20; ++i) collector.add(i, fact("x", "Orm lives in", "Ilse", "Velm"));
  const DatasetFile file = collector.take();
  EXPECT_THAT(file.skipped_examples, SizeIs(10));
  EXPECT_THAT(file.skipped, ElementsAre(Pair("subject not in its prompt", 19)));
}

TEST(Collector, NotesSubjectsThatStandTwice) {
  Collector collector("known", "set.json");
  collector.add(0, fact("a", "Orm, son of Orm, lives in", "Orm", "Velm"));
  collector.add(1, fact("b", "Ilse lives in", "Ilse", "Velm"));
  EXPECT_THAT(collector.take().notes,
              ElementsAre(StartsWith("Records whose subject stands in the prompt more than once: 1;")));
}

TEST(Collector, RefusesAFileOfWhichNothingIsLeft) {
  Collector nothing("known", "set.json");
  EXPECT_EQ(test::error_of(ErrorKind::kConfig, [&] { nothing.take(); }),
            "set.json: no record can be used: it has none");
  Collector spoiled("known", "set.json");
  spoiled.add(0, fact("a", "Orm lives in", "Orm", ""));
  spoiled.add(1, fact("a", "Orm lives in", "Ilse", "Velm"));
  EXPECT_EQ(
      test::error_of(ErrorKind::kConfig, [&] { spoiled.take(); }),
      "set.json: no record can be used: empty target: 1, subject not in its prompt: 1; for example record "
      "0: the target is empty");
}

}  // namespace
}  // namespace emend
