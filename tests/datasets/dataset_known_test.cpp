#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "read_text.h"

namespace emend {
namespace {

using test::read_text;
using test::refusal_of;
using testing::AnyOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::SizeIs;

std::string fact(int id, const std::string& subject, const std::string& attribute,
                 const std::string& relation) {
  return R"({"known_id": )" + std::to_string(id) + R"(, "subject": ")" + subject + R"(", "attribute": ")" +
         attribute + R"(", "template": "{} speaks", "prediction": " )" + attribute +
         R"(, of course", "prompt": ")" + subject + R"( speaks", "relation_id": ")" + relation + R"("})";
}

std::string speakers() {
  return std::string("[") + fact(3, "Orm", "Velmish", "P1") + "," + fact(4, "Ilse", "Velmish", "P1") + "," +
         fact(5, "Hanno", "Tarnish", "P1") + "," + fact(6, "Jule", "Dorstish", "P1") + "]";
}

TEST(Known, DrawsAnotherAnswerOfTheRelation) {
  const DatasetFile file = read_text("known", speakers());
  ASSERT_THAT(file.records, SizeIs(4));
  const EvalRecord& record = file.records[0];
  EXPECT_EQ(record.request.id, "3");
  EXPECT_EQ(record.relation, "P1");
  EXPECT_EQ(record.request.prompt, "Orm speaks");
  EXPECT_EQ(record.request.was, "Velmish");
  EXPECT_THAT(record.request.target, AnyOf("Tarnish", "Dorstish"));
  ASSERT_THAT(record.request.neighbours, SizeIs(1));
  EXPECT_EQ(record.request.neighbours[0].prompt, "Ilse speaks");
  EXPECT_THAT(record.attributes, SizeIs(1));
  EXPECT_THAT(file.notes, Contains(HasSubstr("names no targets")));
}

TEST(Known, TheDrawDependsOnTheIdOnly) {
  const DatasetFile one = read_text("known", speakers());
  const DatasetFile other =
      read_text("known", std::string("[") + fact(6, "Jule", "Dorstish", "P1") + "," +
                             fact(5, "Hanno", "Tarnish", "P1") + "," + fact(3, "Orm", "Velmish", "P1") + "]");
  EXPECT_EQ(other.records[2].request.target, one.records[0].request.target);
}

TEST(Known, LeavesOutRelationsWithOneAnswer) {
  const DatasetFile file =
      read_text("known", std::string("[") + fact(1, "Orm", "Velmish", "P1") + "," +
                             fact(2, "Ilse", "Tarnish", "P1") + "," + fact(3, "Jule", "Velm", "P2") + "]");
  EXPECT_THAT(file.records, SizeIs(2));
  EXPECT_THAT(file.skipped, ElementsAre(Pair("no other answer in its relation", 1)));
  EXPECT_THAT(file.skipped_examples,
              ElementsAre("record 2: no other record of the relation \"P2\" has another answer"));
}

TEST(Known, NamesWhatIsWrong) {
  EXPECT_EQ(
      refusal_of("known", R"([{"known_id": 1, "subject": "Orm", "prompt": "Orm is", "attribute": "x"}])"),
      "set.json: record 0: \"relation_id\" is missing");
  EXPECT_EQ(refusal_of("known", R"([{"known_id": 1, "relation_id": "P1", "attribute": null}])"),
            "set.json: record 0: \"attribute\" must be a string, found null");
}

}  // namespace
}  // namespace emend
