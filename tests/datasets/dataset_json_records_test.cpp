#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../base/expect_error.h"
#include "../base/temp_folder.h"
#include "datasets/json_records.h"

namespace emend {
namespace {

using test::TempFolder;
using testing::EndsWith;
using testing::HasSubstr;

JsonRecords read(const std::string& text) {
  const TempFolder folder;
  return JsonRecords(folder.write("x.json", text));
}

std::string refusal(const std::string& text) {
  return test::error_of(ErrorKind::kFormat, [&] { read(text); });
}

TEST(JsonRecords, ReadsAnArray) {
  const JsonRecords records = read("\xEF\xBB\xBF [{\"a\": \"x\"},\n {\"a\": \"y\"}]\n");
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records.at(1).string("a"), "y");
}

TEST(JsonRecords, ReadsLines) {
  const JsonRecords records = read("{\"a\": \"x\"}\n\n  {\"a\": \"y\"}\r\n");
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records.at(0).string("a"), "x");
  EXPECT_EQ(records.at(1).string("a"), "y");
}

TEST(JsonRecords, NamesTheRecordInWhatItRefuses) {
  const JsonRecords records = read("[{}, {\"a\": 5}]");
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { records.at(1).string("a"); }),
              EndsWith("x.json: record 1: \"a\" must be a string, found 5"));
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { records.at(1).string("ab"); }),
              EndsWith("x.json: record 1: \"ab\" is missing (there is \"a\")"));
}

TEST(JsonRecords, CountsLinesOfTheFile) {
  EXPECT_THAT(refusal("{\"a\": 1}\n\n{\"a\": }\n"), HasSubstr("x.json:3:7: not valid JSON"));
  EXPECT_THAT(refusal("[{\"a\": 1},\n{\"a\": }]\n"), HasSubstr("x.json:2:7: not valid JSON"));
}

TEST(JsonRecords, RefusesWhatIsNeitherForm) {
  EXPECT_THAT(refusal(""), HasSubstr("the file is empty"));
  EXPECT_THAT(refusal(" \n"), HasSubstr("the file is empty"));
  EXPECT_THAT(refusal("subject,target\n"), HasSubstr("neither a JSON array nor JSON lines"));
  EXPECT_THAT(refusal("[{}, 3]"), HasSubstr("record 1 must be an object, found number"));
  EXPECT_THAT(refusal("{}\n[]\n"), HasSubstr("record 1 must be an object, found array"));
  const TempFolder folder;
  EXPECT_THAT(test::error_of(ErrorKind::kIo, [&] { JsonRecords(folder / "nothing.json"); }),
              HasSubstr("nothing.json"));
}

TEST(JsonFields, IdsAreTextsIntegersOrTheNumber) {
  const JsonRecords records = read(R"([{"id": "a"}, {"id": 17}, {}, {"id": 1.5}])");
  EXPECT_EQ(id_or_number(records.at(0), "id", 0), "a");
  EXPECT_EQ(id_or_number(records.at(1), "id", 1), "17");
  EXPECT_EQ(id_or_number(records.at(2), "id", 2), "2");
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { id_or_number(records.at(3), "id", 3); }),
              HasSubstr("\"id\" must be an integer"));
}

TEST(JsonFields, TheFirstLeafOfNestedListsCounts) {
  const JsonRecords records =
      read(R"([{"a": [["Velm", "velm"], ["x"]], "b": "Velm", "c": [], "d": [1987], "e": [{}]}])");
  EXPECT_EQ(first_leaf(records.at(0).at("a")), "Velm");
  EXPECT_EQ(first_leaf(records.at(0).at("b")), "Velm");
  EXPECT_EQ(first_leaf(records.at(0).at("c")), "");
  EXPECT_EQ(first_leaf(records.at(0).at("d")), "1987");
  EXPECT_THAT(test::error_of(ErrorKind::kFormat, [&] { first_leaf(records.at(0).at("e")); }),
              HasSubstr("\"e[0]\" must be a string, found an object"));
}

}  // namespace
}  // namespace emend
