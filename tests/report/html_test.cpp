#include "report/html.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace emend {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(EscapeHtml, LeavesNoMarkup) {
  EXPECT_EQ(escape_html("<b>\"a\" & 'c'</b>"), "&lt;b&gt;&quot;a&quot; &amp; &#39;c&#39;&lt;/b&gt;");
  EXPECT_EQ(escape_html("tab\tline\nbell\x07"), "tab\tline\nbell\\x07");
  EXPECT_EQ(escape_html("a\xFF"
                        "b"),
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(escape_html("東京"), "東京");
  EXPECT_EQ(escape_html("a\uFFFE\uFFFD\uFFFF"), "a\\uFFFE\uFFFD\\uFFFF");  // XML cannot hold two of them
}

TEST(FillTemplate, EscapesAndRepeats) {
  EXPECT_EQ(fill_template("{{a}} {{{a}}}{{#list}} {{x}}{{/list}}{{#none}}never{{/none}}{{^none}}!{{/none}}",
                          {{"a", "<"}, {"list", {{{"x", 1}}, {{"x", "&"}}}}, {"none", nullptr}}),
            "&lt; < 1 &amp;!");
}

TEST(FillTemplate, DoesNotReadValuesAsTemplates) {
  EXPECT_EQ(fill_template("{{a}}", {{"a", "{{b}}"}, {"b", "never"}}), "{{b}}");
}

TEST(FillTemplate, RefusesABrokenTemplate) {
  EXPECT_THROW(fill_template("{{#open}}", nlohmann::ordered_json::object()), std::logic_error);
}

TEST(PageStyle, KnowsLightDarkAndPrint) {
  EXPECT_THAT(page_style(), HasSubstr("prefers-color-scheme: dark"));
  EXPECT_THAT(page_style(), HasSubstr("@media print"));
  EXPECT_THAT(page_style(), Not(HasSubstr("url(")));
  EXPECT_THAT(page_style(), Not(HasSubstr("</")));
}

}  // namespace
}  // namespace emend
