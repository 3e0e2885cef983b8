#include "config/config_node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/base/expect_error.h"

namespace emend {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// The value of the key `a` in `yaml`, handed to `read`.
void with_value(const std::string& yaml, const std::function<void(const ConfigNode&)>& read) {
  ConfigDocument document(yaml, "x.yaml");
  read(*document.root().fields({"a", "b"}).find("a"));
}

std::string syntax_error(const std::string& yaml) {
  return test::error_of(ErrorKind::kConfig, [&] { ConfigDocument(yaml, "x.yaml").root(); });
}

std::string value_error(const std::string& yaml, const std::function<void(const ConfigNode&)>& read) {
  return test::error_of(ErrorKind::kConfig, [&] { with_value(yaml, read); });
}

void read_text(const ConfigNode& node) {
  node.text();
}
void read_integer(const ConfigNode& node) {
  node.integer();
}
void read_number(const ConfigNode& node) {
  node.number();
}

TEST(ConfigNode, ReadsScalars) {
  with_value("a: 42", [](const ConfigNode& a) { EXPECT_EQ(a.integer(), 42); });
  with_value("a: -3", [](const ConfigNode& a) { EXPECT_EQ(a.integer(), -3); });
  with_value("a: 0.25", [](const ConfigNode& a) { EXPECT_EQ(a.number(), 0.25); });
  with_value("a: 1e-3", [](const ConfigNode& a) { EXPECT_EQ(a.number(), 1e-3); });
  with_value("a: two words", [](const ConfigNode& a) { EXPECT_EQ(a.text(), "two words"); });
  with_value("a: \"x: # y\"", [](const ConfigNode& a) { EXPECT_EQ(a.text(), "x: # y"); });
}

TEST(ConfigNode, KeepsNumbersAndWordsAsTextWhenTextIsAskedFor) {
  with_value("a: 0x10", [](const ConfigNode& a) { EXPECT_EQ(a.text(), "0x10"); });
  with_value("a: No", [](const ConfigNode& a) { EXPECT_EQ(a.text(), "No"); });
  with_value("a: 1.50", [](const ConfigNode& a) { EXPECT_EQ(a.text(), "1.50"); });
  with_value("a: !!str 7", [](const ConfigNode& a) { EXPECT_EQ(a.text(), "7"); });
}

TEST(ConfigNode, ReadsListsAndMapsWithPathsAndPlaces) {
  with_value("a: [x, {k: v}]", [](const ConfigNode& a) {
    const std::vector<ConfigNode> items = a.items();
    ASSERT_EQ(items.size(), 2u);
    EXPECT_EQ(items[0].path(), "a[1]");
    EXPECT_EQ(items[0].where(), "x.yaml:1:5");
    const std::vector<ConfigEntry> entries = items[1].entries();
    ASSERT_EQ(entries.size(), 1u);
    EXPECT_EQ(entries[0].name, "k");
    EXPECT_EQ(entries[0].value.path(), "a[2].k");
    EXPECT_EQ(entries[0].value.where(), "x.yaml:1:12");
  });
}

TEST(ConfigNode, CountsColumnsInCharacters) {
  with_value("b: x\na: {\u00e9\u4e2d: [], k: v}",
             [](const ConfigNode& a) { EXPECT_EQ(a.entries()[1].value.where(), "x.yaml:2:16"); });
}

TEST(ConfigNode, GivesTheKeysPlaceForAnEmptyValue) {
  with_value("a:\n\n\nb: 1", [](const ConfigNode& a) { EXPECT_EQ(a.where(), "x.yaml:1:1"); });
}

TEST(ConfigNode, SaysWhatWasFoundInsteadOfAnotherType) {
  EXPECT_EQ(value_error("a: [1]", read_text), "x.yaml:1:4: a: expected a text, found a list");
  EXPECT_EQ(value_error("a: {b: 1}", read_text), "x.yaml:1:4: a: expected a text, found a map");
  EXPECT_EQ(value_error("a: ~", read_text),
            "x.yaml:1:1: a: expected a text (in quotes if it is the word null or ~), found nothing");
  EXPECT_EQ(value_error("a: one", read_integer),
            "x.yaml:1:4: a: expected an integer, found the text \"one\"");
  EXPECT_EQ(value_error("a: 1.5", read_integer),
            "x.yaml:1:4: a: expected an integer, found the text \"1.5\"");
  EXPECT_EQ(value_error("a: '5'", read_integer),
            "x.yaml:1:4: a: expected an integer, found the text \"5\"; leave the quotes out");
  EXPECT_EQ(value_error("a: \"1.0\"", read_number),
            "x.yaml:1:4: a: expected a number, found the text \"1.0\"; leave the quotes out");
  EXPECT_EQ(value_error("a: 'one'", read_integer),
            "x.yaml:1:4: a: expected an integer, found the text \"one\"");
  EXPECT_EQ(value_error("a:", read_integer), "x.yaml:1:1: a: expected an integer, found nothing");
  EXPECT_EQ(value_error("a: 95%", read_number), "x.yaml:1:4: a: expected a number, found the text \"95%\"");
  EXPECT_EQ(value_error("a: .nan", read_number), "x.yaml:1:4: a: expected a number, found the text \".nan\"");
  EXPECT_EQ(value_error("a: inf", read_number), "x.yaml:1:4: a: expected a number, found the text \"inf\"");
  EXPECT_EQ(value_error("a: x", [](const ConfigNode& a) { a.items(); }),
            "x.yaml:1:4: a: expected a list, found the text \"x\"");
  EXPECT_EQ(value_error("a: [x]", [](const ConfigNode& a) { a.entries(); }),
            "x.yaml:1:4: a: expected a map, found a list");
}

TEST(ConfigNode, RefusesNumbersOutOfRange) {
  EXPECT_EQ(value_error("a: 99999999999", read_integer),
            "x.yaml:1:4: a: the integer \"99999999999\" is out of range");
  EXPECT_EQ(value_error("a: 1e999", read_number), "x.yaml:1:4: a: the number \"1e999\" is out of range");
}

TEST(ConfigNode, RefusesTags) {
  EXPECT_EQ(value_error("a: !!binary aGk=", read_text),
            "x.yaml:1:4: a: expected a text without a tag, found the tag \"tag:yaml.org,2002:binary\"");
}

TEST(ConfigNode, RefusesEscapedControlCharacters) {
  EXPECT_EQ(value_error("a: \"x\\ay\"", read_text),
            "x.yaml:1:4: a: the control character U+0007 cannot stand here");
  EXPECT_EQ(value_error("a: \"x\\0\"", read_text),
            "x.yaml:1:4: a: the control character U+0000 cannot stand here");
  EXPECT_EQ(value_error("a: \"\\x85\"", read_text),
            "x.yaml:1:4: a: the control character U+0085 cannot stand here");
  EXPECT_EQ(value_error("a: \"x\\ny\"", read_text), "x.yaml:1:4: a: a line end cannot stand here");
  with_value("a: \"x\\n\\ty\"", [](const ConfigNode& a) { EXPECT_EQ(a.text(TextShape::kLines), "x\n\ty"); });
}

TEST(ConfigNode, OffersTheNearestKnownKey) {
  EXPECT_EQ(test::error_of(ErrorKind::kConfig,
                           [] {
                             ConfigDocument("metod: x", "x.yaml").root().fields({"model", "method"});
                           }),
            "x.yaml:1:1: unknown key \"metod\"; did you mean \"method\"?");
  EXPECT_EQ(test::error_of(ErrorKind::kConfig,
                           [] {
                             ConfigDocument("zzzz: x", "x.yaml").root().fields({"model", "method"});
                           }),
            "x.yaml:1:1: unknown key \"zzzz\"; known: model, method");
  EXPECT_EQ(value_error("a: {colour: 1}", [](const ConfigNode& a) { a.fields({"color"}); }),
            "x.yaml:1:5: a: unknown key \"colour\"; did you mean \"color\"?");
}

TEST(ConfigNode, RefusesRepeatedAndOddKeys) {
  const auto read_keys = [](const std::string& yaml) {
    return test::error_of(ErrorKind::kConfig, [&] { ConfigDocument(yaml, "x.yaml").root().entries(); });
  };
  EXPECT_EQ(read_keys("a: 1\nb: 2\na: 3"), "x.yaml:3:1: the key \"a\" stands here twice, first in line 1");
  EXPECT_EQ(read_keys("? [x]\n: 1"), "x.yaml:1:3: expected a word as key, found a list");
}

TEST(ConfigNode, RefusesAFileThatIsNoMap) {
  EXPECT_EQ(
      test::error_of(ErrorKind::kConfig, [] { ConfigDocument("just words", "x.yaml").root().entries(); }),
      "x.yaml:1:1: expected a map, found the text \"just words\"");
}

TEST(ConfigDocument, RefusesBrokenSyntaxWithThePlace) {
  EXPECT_EQ(syntax_error("b: 1\na: foo: bar"),
            "x.yaml:2:7: not valid YAML: illegal map value (a text with \": \" in it needs quotes)");
  EXPECT_EQ(syntax_error("\u00e9: foo: bar"),
            "x.yaml:1:7: not valid YAML: illegal map value (a text with \": \" in it needs quotes)");
  EXPECT_THAT(syntax_error("a: @x"),
              StartsWith("x.yaml:1:4: not valid YAML: unknown token (a text that begins"));
  EXPECT_THAT(syntax_error("a: *x"), HasSubstr("the referenced anchor is not defined"));
  EXPECT_THAT(syntax_error(std::string(100000, '[')), HasSubstr("nested too deep"));
}

// yaml-cpp finds documents without end in such a text.
TEST(ConfigDocument, RefusesACommaAtTheBeginning) {
  EXPECT_EQ(syntax_error(", a: 1"), "x.yaml:1:1: not valid YAML: nothing can begin like this");
  EXPECT_THAT(syntax_error("a: 1\n---\n, b"), StartsWith("x.yaml:2:1: a second document"));
}

TEST(ConfigDocument, RefusesEmptyFilesAndSecondDocuments) {
  EXPECT_EQ(syntax_error(""), "x.yaml:1:1: the file is empty; expected a map");
  EXPECT_EQ(syntax_error("# nothing\n"), "x.yaml:1:1: the file is empty; expected a map");
  EXPECT_EQ(syntax_error("a: 1\n---\nb: 2\n"),
            "x.yaml:2:1: a second document begins here; expected one (is the indentation right?)");
}

TEST(ConfigDocument, RefusesControlCharactersAndBrokenUtf8WithThePlace) {
  EXPECT_EQ(syntax_error("a: 1\nb: \x07"),
            "x.yaml:2:4: the control character U+0007 cannot stand in a YAML file; expected UTF-8 text");
  EXPECT_EQ(
      syntax_error("a: \u00e9\xC3("),
      "x.yaml:1:5: the byte 0xC3, which is not UTF-8, cannot stand in a YAML file; expected UTF-8 text");
  EXPECT_THAT(syntax_error("a: \xED\xA0\x80"), HasSubstr("0xED"));
  EXPECT_THAT(syntax_error("a: 1\rb: 2"), HasSubstr("U+000D"));
  EXPECT_THAT(syntax_error(std::string("a: \0x", 5)), HasSubstr("U+0000"));
  EXPECT_THAT(syntax_error("\xFF\xFE"
                           "a"),
              HasSubstr("x.yaml:1:1: the byte 0xFF"));
}

TEST(ConfigDocument, TakesByteOrderMarksAndWindowsLineEnds) {
  with_value(
      "\xEF\xBB\xBF"
      "b: 1\r\na: \"x\"\r\n",
      [](const ConfigNode& a) {
        EXPECT_EQ(a.text(), "x");
        EXPECT_EQ(a.where(), "x.yaml:2:4");
      });
}

TEST(ConfigDocument, RefusesFilesOver64MebibytesAndStopsAliasBombs) {
  EXPECT_EQ(syntax_error(std::string(kMaxYamlBytes + 1, ' ')),
            "x.yaml: the file has 67.1 MB, more than the 67.1 MB that are read; split it into several files");
  std::string bomb = "b: &b " + std::string(1 << 20, 'x') + "\na: [";
  for (int i = 0; i < 1000; ++i) bomb += "*b, ";
  const auto read_all = [](const ConfigNode& a) {
    for (const ConfigNode& item : a.items()) item.text();
  };
  EXPECT_THAT(value_error(bomb + "]", read_all),
              HasSubstr("with its aliases written out the file holds more than"));
}

TEST(ConfigDocument, FollowsAnchors) {
  with_value("b: &b [1, 2]\na: *b", [](const ConfigNode& a) { EXPECT_EQ(a.items().size(), 2u); });
}

}  // namespace
}  // namespace emend
