#include "text/jinja/template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "emend/error.h"
#include "tests/base/expect_error.h"

namespace emend::text::jinja {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

std::string render(const std::string& source, const Limits& limits = {}) {
  const Variables variables = {{"n", std::int64_t{7}},
                               {"s", "The tower"},
                               {"d", Value::dict({{"a", std::int64_t{1}}, {"items", "x"}})},
                               {"xs", Value::list({std::int64_t{3}, std::int64_t{1}})}};
  return Template(source, "t").render(variables, {}, limits);
}

std::string error_of(const std::string& source, const Limits& limits = {}) {
  return test::error_of(ErrorKind::kModel, [&] { render(source, limits); });
}

TEST(Template, TextStaysAsItIs) {
  EXPECT_EQ(render("a {b} \xFF c"), "a {b} \xFF c");
}

TEST(Template, PrecedencesAreThoseOfJinja2) {
  EXPECT_EQ(render("{{ -2 ** 2 }}"), "4");
  EXPECT_EQ(render("{{ 2 ** 3 ** 2 }}"), "64");
  EXPECT_THAT(error_of("{{ 1 + 2 ~ 3 }}"), HasSubstr("int and str")) << "~ binds tighter than +";
  EXPECT_EQ(render("{{ -1 | abs }}{{ not n is odd }}{{ 1 if 0 else 2 if 0 else 3 }}"), "1False3");
}

TEST(Template, ALoopKeepsItsVariablesToItself) {
  EXPECT_EQ(render("{% set a = 0 %}{% for x in xs %}{% set a = a + x %}{{ a }}{% endfor %}{{ a }}"), "310");
  EXPECT_EQ(
      render("{% set ns = namespace(a=0) %}{% for x in xs %}{% set ns.a = ns.a + x %}{% endfor %}{{ ns.a }}"),
      "4");
}

TEST(Template, ConditionsOfALoopSeeWhatItsBodyDid) {
  EXPECT_EQ(render("{% set ns = namespace(stop=false) %}{% for i in range(9) if not ns.stop %}{{ i }}"
                   "{% set ns.stop = i == 2 %}{% endfor %}"),
            "012");
}

// jinja2 decides for a whole block where a name comes from.
TEST(Template, ANameThatABlockSetsLaterIsUndefinedInsideItBefore) {
  EXPECT_EQ(render("{% for x in xs %}[{{ n }}]{% endfor %}{% set n = 1 %}{{ n }}"), "[][]1");
  EXPECT_EQ(render("{{ n }}{% for x in xs %}[{{ n }}]{% endfor %}{% set n = 1 %}{{ n }}"), "7[7][7]1");
  EXPECT_EQ(render("{% for x in xs %}[{{ n }}]{% endfor %}{% if s %}{% set n = 1 %}{% endif %}{{ n }}"),
            "[7][7]1");
  EXPECT_EQ(render("{% macro m() %}[{{ n }}]{% endmacro %}{{ m() }}{% set n = 1 %}{{ m() }}"), "[][1]");
}

TEST(Template, MacrosHaveAText) {
  EXPECT_EQ(render("{% macro m() %}{% endmacro %}{{ m }}"), "<Macro 'm'>");
  EXPECT_THAT(error_of("{{ range }}"), HasSubstr("function has no text of its own"));
}

TEST(Template, MethodsComeBeforeItemsBehindADot) {
  EXPECT_EQ(render("{{ d['items'] }}{{ d.items()|list|length }}{{ d.a }}{{ d.get('b', 2) }}"), "x212");
}

TEST(Template, ANegativeLimitOfSplitIsNone) {
  EXPECT_EQ(render("{{ 'a.b.c'.split('.', -1) }}{{ 'a.b.c'.rsplit('.', -2) }}"),
            "['a', 'b', 'c']['a', 'b', 'c']");
  EXPECT_EQ(render("{{ 'a.b'.split('.', -9223372036854775807 - 1) }}"), "['a', 'b']");
}

TEST(Template, FormatFillsPlaces) {
  EXPECT_EQ(render("{{ '<a{}b{}>'.format(1, 'x') }}{{ '{1}{0}{1}'.format(2.0, none) }}"),
            "<a1bx>None2.0None");
  EXPECT_EQ(render("{{ '{a}{{}}{b!r}{}'.format(true, a=[1], b='q') }}"), "[1]{}'q'True");
  EXPECT_EQ(render("{{ '|{}|'.format(missing) }}{{ ''.format(1) }}"), "||");
  for (const std::string bad :
       {"'{}{}'.format(1)", "'{a}'.format(1)", "'{0}{}'.format(1, 2)", "'{'.format(1)", "'}'.format(1)",
        "'{}}'.format(1)", "'{:>5}'.format(1)", "'{0.a}'.format(d)", "'{0[a]}'.format(d)", "'{!x}'.format(1)",
        "'{{}'.format(1)"})
    EXPECT_THAT(error_of("{{ " + bad + " }}"), HasSubstr("format()")) << bad;
}

TEST(Template, UndefinedIsEmptyUntilItIsUsed) {
  EXPECT_EQ(
      render(
          "[{{ missing }}{{ d.missing }}{{ xs[9] }}{{ 'x' if missing }}{% for x in missing %}x{% endfor %}]"),
      "[]");
  EXPECT_THAT(error_of("{{ missing.x }}"), EndsWith("'missing' is undefined"));
  EXPECT_THAT(error_of("{{ d.b.c }}"), EndsWith("'dict object' has no attribute 'b'"));
  EXPECT_THAT(error_of("{{ 'a' + s.missing }}"), EndsWith("'str object' has no attribute 'missing'"));
  EXPECT_THAT(error_of("{{ missing < 1 }}"), EndsWith("'missing' is undefined"));
  EXPECT_THAT(error_of("{{ missing() }}"), EndsWith("'missing' is undefined"));
}

// markupsafe: a text from `safe` escapes what is added to it, though autoescape is off.
TEST(Template, SafeEscapesItsNeighbours) {
  EXPECT_EQ(render("{{ '<|user|>' + s | safe + '<|end|>' }}"), "&lt;|user|&gt;The tower&lt;|end|&gt;");
  EXPECT_EQ(render("{{ '<' ~ s | safe }}"), "<The tower");
}

TEST(Template, NothingCanBeChanged) {
  EXPECT_THAT(error_of("{{ xs.append(1) }}"), EndsWith("'append' of list cannot be used in a template"));
  EXPECT_THAT(error_of("{{ d.update({}) }}"), HasSubstr("'update' of dict"));
  EXPECT_THAT(error_of("{% set d.x = 1 %}"), HasSubstr("d is no namespace"));
  EXPECT_EQ(render("{{ s.__class__ }}"), "");
  EXPECT_THAT(error_of("{{ s.__class__.x }}"), HasSubstr("not safe"));
}

TEST(Template, ErrorsTellLineAndColumn) {
  EXPECT_EQ(error_of("\xC3\xA9\r\n  {{ s + n }}"),
            "t, line 2, column 8: str and int cannot be used with '+'");
  EXPECT_EQ(error_of("{{ 1 + }}"), "t, line 1, column 8: expected an expression, found '}}'");
  EXPECT_EQ(error_of("{% for x in xs %}\n{{ x | nope }}{% endfor %}"),
            "t, line 2, column 8: there is no filter 'nope'");
  EXPECT_EQ(error_of("{% if n %}x"), "t, line 1, column 4: this if has no end: {% endif %} is missing");
  EXPECT_EQ(error_of("{% endif %}"), "t, line 1, column 4: there is no statement 'endif' here");
  EXPECT_EQ(error_of("{% macro m(a) %}{{ a.b.c }}{% endmacro %}\n{{ m(1) }}"),
            "t, line 1, column 23: 'int object' has no attribute 'b'");
}

TEST(Template, RaiseExceptionTellsItsWords) {
  EXPECT_EQ(error_of("{{ raise_exception('Only ' ~ n) }}"),
            "t, line 1, column 19: the template refuses this conversation: Only 7");
}

TEST(Template, WhatIsNotSupportedIsRefusedByName) {
  for (const std::string name : {"include", "import", "from", "extends", "block", "autoescape", "print"})
    EXPECT_EQ(error_of("{% " + name + " 'x' %}"),
              "t, line 1, column 4: the statement '" + name + "' is not supported by emend");
  EXPECT_THAT(error_of("{% for x in xs recursive %}{% endfor %}"),
              HasSubstr("a recursive loop is not supported"));
  EXPECT_THAT(error_of("{{ xs | groupby('x') }}"),
              HasSubstr("the filter 'groupby' is not supported by emend"));
  EXPECT_THAT(error_of("{{ s.encode() }}"), HasSubstr("the method 'encode' of a string is not supported"));
  EXPECT_THAT(error_of("{{ lipsum() }}"), HasSubstr("the function 'lipsum' is not supported"));
  EXPECT_THAT(error_of("{{ xs[1, 2] }}"), HasSubstr("an index of several parts is not supported"));
  EXPECT_THAT(error_of("{{ 'stra\xC3\x9F"
                       "e' | upper }}"),
              HasSubstr("changing the case of U+00DF"));
  EXPECT_THAT(error_of("{{ strftime_now('%Q') }}"), HasSubstr("the directive '%Q'"));
}

// A branch that is not taken may hold what emend does not know.
TEST(Template, FiltersAreLookedUpWhenTheyAreUsed) {
  EXPECT_EQ(render("{% if not n %}{{ s | xmlattr }}{% endif %}x"), "x");
}

TEST(Template, BreakStaysInsideItsLoop) {
  EXPECT_EQ(render("{% for x in xs %}{{ x }}{% break %}{% endfor %}"), "3");
  EXPECT_THAT(error_of("{% break %}"), HasSubstr("'break' stands outside of a loop"));
  EXPECT_THAT(error_of("{% for x in xs %}{% generation %}{% continue %}{% endgeneration %}{% endfor %}"),
              HasSubstr("outside of a loop"));
}

TEST(Template, TheDayIsGiven) {
  const Moment day{.year = 2026, .month = 11, .day = 8, .hour = 4, .minute = 5, .second = 6};
  EXPECT_EQ(Template("{{ strftime_now('%A %d %b %Y %-d %H:%M:%S %j %%') }}", "t").render({}, day),
            "Sunday 08 Nov 2026 8 04:05:06 312 %");
}

TEST(Template, TheSameEachTime) {
  const Template once("{% for x in xs %}{{ x }}{% endfor %}", "t");
  const Variables variables = {{"xs", Value::iterator({"a", "b"}, "generator")}};
  EXPECT_EQ(once.render(variables, {}), "ab");
  EXPECT_EQ(once.render(variables, {}), "") << "an iterator can be read once";
}

std::string repeated(const std::string& text, int count) {
  std::string result;
  for (int i = 0; i < count; ++i) result += text;
  return result;
}

TEST(TemplateLimits, LoopsEnd) {
  const std::string loops = "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}";
  EXPECT_THAT(error_of(loops), HasSubstr("more than 500000 steps"));
  EXPECT_THAT(error_of("{{ range(100001) }}"), HasSubstr("more than 100000 numbers"));
}

TEST(TemplateLimits, MacrosThatCallThemselvesEnd) {
  EXPECT_THAT(error_of("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"), HasSubstr("more than 300 deep"));
}

TEST(TemplateLimits, TextsEnd) {
  EXPECT_THAT(error_of("{{ 'a' * 9999999 }}"), HasSubstr("a text of more than 1048576 bytes"));
  EXPECT_THAT(error_of("{{ 'x' | center(9999999) }}"), HasSubstr("more than 1048576 bytes"));
  EXPECT_THAT(error_of("{{ 'x' | indent(9999999) }}"), HasSubstr("more than 1048576 bytes"));
  EXPECT_THAT(error_of("{% for x in range(90000) %}0123456789abcdef{% endfor %}"),
              HasSubstr("more than 1048576"));
  EXPECT_THAT(
      error_of(
          "{% set a = 'a' * 999999 %}{% for x in range(9999) %}{% if 'b' in a %}{% endif %}{% endfor %}"),
      HasSubstr("works through more than"));
  EXPECT_THAT(error_of("{{ 'abc' }}", {.text = 2}), HasSubstr("more than 2 bytes"));
}

TEST(TemplateLimits, ListsEnd) {
  EXPECT_THAT(error_of("{{ ([1] * 99999999)|length }}"), HasSubstr("steps"));
  const std::string doubled =
      "{% set ns = namespace(a=[1]) %}{% for x in range(99) %}{% set ns.a = ns.a + ns.a %}{% endfor %}";
  EXPECT_THAT(error_of(doubled), HasSubstr("steps"));
}

TEST(TemplateLimits, ValuesDoNotNestWithoutEnd) {
  EXPECT_THAT(
      error_of("{% set ns = namespace(a=[]) %}{% for x in range(99) %}{% set ns.a = [ns.a] %}{% endfor %}"),
      HasSubstr("more than 64 deep"));
  // A namespace may hold itself.
  EXPECT_THAT(error_of("{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}"),
              HasSubstr("more than 300 deep"));
  EXPECT_EQ(render("{% set ns = namespace() %}{% set ns.a = [ns] %}{{ ns.a[0] == ns }}"), "True");
}

TEST(TemplateLimits, EqualListsOfEqualListsEnd) {
  const std::string grown =
      "{% set ns = namespace(a=[1], b=[1]) %}{% for x in range(40) %}{% set ns.a = [ns.a, ns.a] %}"
      "{% set ns.b = [ns.b, ns.b] %}{% endfor %}";
  EXPECT_THAT(error_of(grown + "{{ ns.a == ns.b }}"), HasSubstr("steps"));
  EXPECT_THAT(error_of(grown + "{{ ns.a }}"), testing::AnyOf(HasSubstr("steps"), HasSubstr("bytes")));
}

TEST(TemplateLimits, SyntaxDoesNotNestWithoutEnd) {
  EXPECT_THAT(error_of("{{ " + repeated("(", 5000) + "1" + repeated(")", 5000) + " }}"),
              HasSubstr("100 deep"));
  EXPECT_THAT(error_of("{{ " + repeated("-", 5000) + "1 }}"), HasSubstr("100 deep"));
  EXPECT_THAT(error_of("{{ " + repeated("not ", 5000) + "1 }}"), HasSubstr("100 deep"));
  EXPECT_THAT(error_of("{{ 1" + repeated(" + 1", 5000) + " }}"), HasSubstr("100 operations deep"));
  EXPECT_THAT(error_of("{{ s" + repeated(".x", 5000) + " }}"), HasSubstr("100 operations deep"));
  EXPECT_THAT(error_of("{{ s" + repeated("|trim", 5000) + " }}"), HasSubstr("100 operations deep"));
  EXPECT_THAT(error_of(repeated("{% if n %}", 5000)), HasSubstr("50 deep"));
  EXPECT_THAT(error_of("{% set " + repeated("(", 5000) + "a" + repeated(")", 5000) + " = 1 %}"),
              HasSubstr("100 deep"));
  EXPECT_EQ(render("{{ 1" + repeated(" ~ 1", 500) + " }}").size(), 501u) << "a row of ~ is one operation";
}

}  // namespace
}  // namespace emend::text::jinja
