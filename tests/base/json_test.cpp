#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/base/expect_error.h"
#include "tests/base/temp_folder.h"

namespace emend {
namespace {

using test::error_of;
using test::TempFolder;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::string parse_error(std::string_view text) {
  return error_of(ErrorKind::kFormat, [&] { parse_json(text, "a.json"); });
}

TEST(ParseJson, BuildsTheSameTreeAsThePlainParser) {
  const std::string text =
      R"({"a": [1, -2, 3.5, 1e3, true, false, null, "x\n\u00e9"], "b": {"c": {}, "d": []}, "": [[[]], {"k": [{}]}]})";
  EXPECT_EQ(parse_json(text, "a.json"), Json::parse(text));
  EXPECT_EQ(parse_json("7", "a.json"), Json(7));
}

TEST(ParseJson, SyntaxErrorsHaveLineAndColumn) {
  EXPECT_THAT(parse_error("{\n  \"a\": 1,\n  \"b\": x\n}"),
              AllOf(StartsWith("a.json:3:8: "), HasSubstr("not valid JSON")));
  EXPECT_THAT(parse_error(""), StartsWith("a.json:1:1: "));
  EXPECT_THAT(parse_error("{\"a\": 1"), StartsWith("a.json:1:8: "));
  EXPECT_THAT(parse_error("{} {}"), AllOf(StartsWith("a.json:1:4: "), HasSubstr("not valid JSON")));
}

TEST(ParseJson, DuplicateKeysAreFoundWhereTheyAre) {
  EXPECT_EQ(parse_error("{\"a\": 1,\n \"a\": 2}"), "a.json:2:2: the key \"a\" is there twice");
  EXPECT_EQ(parse_error("{\"x\": {\"a\\\"\": 1, \"a\\u0022\": 2}}"),
            "a.json:1:18: the key \"a\\\"\" is there twice");
  EXPECT_EQ(parse_error(R"({"a\\": 1, "a\\": 2})"), "a.json:1:12: the key \"a\\\\\" is there twice");
}

TEST(ParseJson, SameKeyInDifferentObjectsIsFine) {
  EXPECT_NO_THROW(parse_json(R"({"a": {"k": 1}, "b": {"k": 1}, "c": [{"k": 1}, {"k": 2}]})", "a.json"));
}

TEST(ParseJson, WhatAPlainParserWouldLetPassIsRefused) {
  EXPECT_THAT(parse_error(std::string_view("{}\0{", 4)), AllOf(StartsWith("a.json:1:3: "), HasSubstr("NUL")));
  EXPECT_THAT(parse_error("{\n\"a\xFF\": 1}"), AllOf(StartsWith("a.json:2:3: "), HasSubstr("not UTF-8")));
  EXPECT_THAT(parse_error(R"(["\ud800"])"), HasSubstr("not valid JSON"));
  EXPECT_THAT(parse_error("[NaN]"), HasSubstr("not valid JSON"));
}

TEST(ParseJson, DeepNestingIsRefused) {
  EXPECT_NO_THROW(parse_json(std::string(500, '[') + std::string(500, ']'), "a.json"));
  EXPECT_THAT(parse_error(std::string(100'000, '[')), HasSubstr("nested deeper than 500 levels"));
}

TEST(ParseJson, ByteOrderMarkIsSkipped) {
  EXPECT_EQ(parse_json("\xEF\xBB\xBF[1]", "a.json"), Json::parse("[1]"));
}

TEST(ReadJsonFile, NamesTheFile) {
  const TempFolder folder;
  EXPECT_EQ(read_json_file(folder.write("a.json", "[1]")), Json::parse("[1]"));
  const auto broken = folder.write("b.json", "[1");
  EXPECT_THAT(error_of(ErrorKind::kFormat, [&] { read_json_file(broken); }),
              StartsWith(broken.string() + ":1:"));
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { read_json_file(folder / "c.json"); }), HasSubstr("c.json"));
}

class JsonViewTest : public testing::Test {
 protected:
  const Json document_ = Json::parse(R"({
      "n_layer": "x", "d": 12, "zero": 0, "minus": -3, "half": 0.5, "thousand": 1e3, "big": 18446744073709551615,
      "yes": true, "nothing": null, "text": "abc", "rope": {"factor": "8", "list": [1, 2, "c"]}, "names": ["a", "b"]})");
  const JsonView view_{document_, "config.json"};

  template <typename Call>
  static std::string message(Call call) {
    return error_of(ErrorKind::kFormat, call);
  }
};

TEST_F(JsonViewTest, ReadsWhatIsThere) {
  EXPECT_EQ(view_.positive_integer("d"), 12);
  EXPECT_EQ(view_.at("minus").as_integer(), -3);
  EXPECT_EQ(view_.at("zero").as_non_negative_integer(), 0);
  EXPECT_EQ(view_.number("half"), 0.5);
  EXPECT_EQ(view_.number("d"), 12);
  EXPECT_EQ(view_.string("text"), "abc");
  EXPECT_TRUE(view_.at("yes").as_bool());
  EXPECT_THAT(view_.at("names").as_strings(), ElementsAre("a", "b"));
  EXPECT_THAT(view_.at("rope").keys(), ElementsAre("factor", "list"));
}

TEST_F(JsonViewTest, MissingAndNullTakeTheDefault) {
  EXPECT_EQ(view_.positive_integer_or("none", 7), 7);
  EXPECT_EQ(view_.positive_integer_or("nothing", 7), 7);
  EXPECT_EQ(view_.number_or("none", 1.5), 1.5);
  EXPECT_EQ(view_.string_or("none", "z"), "z");
  EXPECT_TRUE(view_.bool_or("none", true));
  EXPECT_FALSE(view_.has("nothing"));
  EXPECT_EQ(view_.positive_integer_or("d", 7), 12);
}

TEST_F(JsonViewTest, WrongTypesNameFilePathAndValue) {
  EXPECT_EQ(message([&] { view_.positive_integer("n_layer"); }),
            "config.json: \"n_layer\" must be a positive integer, found \"x\"");
  EXPECT_EQ(message([&] { view_.at("rope").number("factor"); }),
            "config.json: \"rope.factor\" must be a number, found \"8\"");
  EXPECT_EQ(message([&] { view_.at("rope").at("list").as_integers(); }),
            "config.json: \"rope.list[2]\" must be an integer, found \"c\"");
  EXPECT_EQ(message([&] { view_.string("rope"); }),
            "config.json: \"rope\" must be a string, found an object");
  EXPECT_EQ(message([&] { view_.bool_or("d", false); }),
            "config.json: \"d\" must be true or false, found 12");
  EXPECT_EQ(message([&] { view_.at("d").elements(); }), "config.json: \"d\" must be an array, found 12");
  EXPECT_EQ(message([&] { view_.at("d").at("x"); }), "config.json: \"d\" must be an object, found 12");
  EXPECT_EQ(message([&] { view_.at("names").keys(); }),
            "config.json: \"names\" must be an object, found an array");
  EXPECT_EQ(message([&] { view_.at("text").as_strings(); }),
            "config.json: \"text\" must be an array of strings, found \"abc\"");
}

TEST_F(JsonViewTest, IntegersMustBeIntegersAndFit) {
  EXPECT_THAT(message([&] { view_.positive_integer("zero"); }), HasSubstr("a positive integer, found 0"));
  EXPECT_THAT(message([&] { view_.positive_integer("minus"); }), HasSubstr("a positive integer, found -3"));
  EXPECT_THAT(message([&] { view_.at("minus").as_non_negative_integer(); }), HasSubstr("found -3"));
  EXPECT_THAT(message([&] { view_.at("thousand").as_integer(); }), HasSubstr("an integer, found 1000.0"));
  EXPECT_THAT(message([&] { view_.at("half").as_integer(); }), HasSubstr("an integer, found 0.5"));
  EXPECT_THAT(message([&] { view_.at("big").as_integer(); }), HasSubstr("found 18446744073709551615"));
}

TEST_F(JsonViewTest, MissingMembersAreNamedWithTheNearest) {
  EXPECT_EQ(message([&] { view_.at("n_layers"); }),
            "config.json: \"n_layers\" is missing (there is \"n_layer\")");
  EXPECT_EQ(message([&] { view_.at("rope").at("base"); }), "config.json: \"rope.base\" is missing");
}

TEST(JsonView, IntegersMadeByHandCountAsPositive) {
  const Json document = {{"a", 5}};
  EXPECT_EQ(JsonView(document, "x").positive_integer("a"), 5);
}

}  // namespace
}  // namespace emend
