#include "text/jinja/lexer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace emend::text::jinja {
namespace {

using testing::ElementsAre;

// Data in brackets, the marks of tags as they are written, everything else by its text.
std::vector<std::string> words(const std::string& source) {
  std::vector<std::string> result;
  for (const Token& token : tokenize(normalise_source(source))) {
    switch (token.kind) {
      case TokenKind::kData:
        result.push_back("[" + token.text + "]");
        break;
      case TokenKind::kOutputBegin:
        result.emplace_back("{{");
        break;
      case TokenKind::kOutputEnd:
        result.emplace_back("}}");
        break;
      case TokenKind::kBlockBegin:
        result.emplace_back("{%");
        break;
      case TokenKind::kBlockEnd:
        result.emplace_back("%}");
        break;
      case TokenKind::kEnd:
        break;
      default:
        result.push_back(token.text);
    }
  }
  return result;
}

SyntaxFault fault_of(const std::string& source) {
  try {
    tokenize(source);
  } catch (const SyntaxFault& fault) {
    return fault;
  }
  ADD_FAILURE() << "no fault: " << source;
  return {};
}

TEST(Lexer, CutsTextAndTags) {
  EXPECT_THAT(words("a{{ x.y }}b{% if z %}"),
              ElementsAre("[a]", "{{", "x", ".", "y", "}}", "[b]", "{%", "if", "z", "%}"));
  EXPECT_THAT(words("{ { } } %} #}"), ElementsAre("[{ { } } %} #}]"));
  EXPECT_THAT(words("{{ a//b**-1.5e3!='x'\"y\" }}"),
              ElementsAre("{{", "a", "//", "b", "**", "-", "1.5e3", "!=", "x", "y", "}}"));
  EXPECT_THAT(words(""), ElementsAre());
}

TEST(Lexer, BracesOfADictDoNotEndATag) {
  EXPECT_THAT(words("{{ {1: {}} }}"), ElementsAre("{{", "{", "1", ":", "{", "}", "}", "}}"));
}

TEST(Lexer, ATagTakesTheLineEndBehindIt) {
  EXPECT_THAT(words("{% a %}\n\nb"), ElementsAre("{%", "a", "%}", "[\nb]"));
  EXPECT_THAT(words("{% a +%}\nb"), ElementsAre("{%", "a", "%}", "[\nb]"));
  EXPECT_THAT(words("{{ a }}\nb"), ElementsAre("{{", "a", "}}", "[\nb]"));
  EXPECT_THAT(words("{# a #}\nb"), ElementsAre("[b]"));
}

TEST(Lexer, ATagTakesTheSpaceThatBeginsItsLine) {
  EXPECT_THAT(words("x\n  {% a %}"), ElementsAre("[x\n]", "{%", "a", "%}"));
  EXPECT_THAT(words("  {% a %}"), ElementsAre("{%", "a", "%}"));
  EXPECT_THAT(words("x  {% a %}"), ElementsAre("[x  ]", "{%", "a", "%}"));
  EXPECT_THAT(words("  {%+ a %}"), ElementsAre("[  ]", "{%", "a", "%}"));
  EXPECT_THAT(words("  {{ a }}  {# c #}"), ElementsAre("[  ]", "{{", "a", "}}", "[  ]"));
}

TEST(Lexer, MinusTakesAllSpace) {
  EXPECT_THAT(words("x \n\t {{- a -}} \n\xC2\xA0 y"), ElementsAre("[x]", "{{", "a", "}}", "[y]"));
  EXPECT_THAT(words("x {#- c -#} y"), ElementsAre("[x]", "[y]"));
}

TEST(Lexer, RawTextIsText) {
  EXPECT_THAT(words("{% raw %} {{ x }} {% endraw %}y"), ElementsAre("[ {{ x }} ]", "[y]"));
  EXPECT_THAT(words("a {%- raw -%} {% if %} {%- endraw -%} y"), ElementsAre("[a]", "[{% if %}]", "[y]"));
}

TEST(Lexer, LineEndsBecomeOneKindAndTheLastIsTakenOff) {
  EXPECT_EQ(normalise_source("a\r\nb\rc\n\n"), "a\nb\nc\n");
  EXPECT_EQ(normalise_source("\n"), "");
}

TEST(Lexer, EscapesAreThoseOfPython) {
  EXPECT_THAT(words(R"({{ '\n\t\\\'\x41\u00e9\U0001F600\101\q\"' }})"),
              ElementsAre("{{",
                          "\n\t\\'A\xC3\xA9\xF0\x9F\x98\x80"
                          "A\\q\"",
                          "}}"));
  EXPECT_EQ(fault_of(R"({{ 'ab\ud800' }})").position, 6u);
  EXPECT_EQ(fault_of(R"({{ '\x4' }})").message, "the escape \\x needs 2 hexadecimal digits");
}

TEST(Lexer, FaultsTellWhere) {
  EXPECT_EQ(fault_of("ab {{ x").position, 3u);
  EXPECT_EQ(fault_of("{{ x ? }}").position, 5u);
  EXPECT_EQ(fault_of("{{ (x] }}").message, "unexpected ']', expected ')'");
  EXPECT_EQ(fault_of("{{ x) }}").message, "unexpected ')'");
  EXPECT_EQ(fault_of("{{ 'x }}").message, "this string has no end");
  EXPECT_EQ(fault_of("{# x").message, "this comment has no end: #} is missing");
  EXPECT_EQ(fault_of("{% raw %} x").message, "this raw block has no end: {% endraw %} is missing");
  EXPECT_EQ(fault_of("{{ 9223372036854775808 }}").message,
            "the number 9223372036854775808 does not fit into 64 bits");
}

}  // namespace
}  // namespace emend::text::jinja
