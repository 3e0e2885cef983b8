#include "reports/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/markup_check.h"

namespace emend {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Page, IsWellFormedAndNeedsNothingElse) {
  const std::string page = page_html({"A title", "below it", "<section><h2>Part</h2></section>\n"});
  EXPECT_EQ(markup_fault(page), "");
  EXPECT_THAT(page, HasSubstr("<h1>A title</h1>\n<p class=\"note\">below it</p>"));
  EXPECT_THAT(page, HasSubstr("<main>\n<section><h2>Part</h2></section>\n</main>"));
  EXPECT_THAT(page, HasSubstr("content=\"emend " + emend_version()));
  EXPECT_THAT(page, HasSubstr("prefers-color-scheme"));
  for (const char* part : {"<script", "src=", "href=", "url(", "@import"})
    EXPECT_THAT(page, Not(HasSubstr(part)));
}

TEST(Page, EscapesTextAndTakesTheBodyAsItIs) {
  const std::string page = page_html({"<i>title", "{{version}}", "<p>{{title}}</p>", "<i>0"});
  EXPECT_EQ(markup_fault(page), "");
  EXPECT_THAT(page, HasSubstr("<h1>&lt;i&gt;title</h1>\n<p class=\"note\">{{version}}</p>"));
  EXPECT_THAT(page, HasSubstr("<p>{{title}}</p></main>"));
  EXPECT_THAT(page, HasSubstr("content=\"emend &lt;i&gt;0\""));
}

TEST(Page, HasChartsAndSettingsOfOneForm) {
  const std::string charts = charts_html({{"<i>one", "<svg></svg>"}, {"two", "<svg></svg>"}});
  EXPECT_THAT(charts, HasSubstr("<figcaption>&lt;i&gt;one</figcaption>\n<svg></svg></figure>"));
  const std::string settings = settings_html({{"seed", "0"}, {"model", "<i>m"}});
  EXPECT_THAT(settings, HasSubstr("<tr><th scope=\"row\">model</th><td>&lt;i&gt;m</td></tr>"));
  EXPECT_EQ(markup_fault(page_html({"", "", charts + settings})), "");
}

TEST(Page, HasASummaryOnlyWhereThereIsOne) {
  Page page{"A title", "below it", "<p>body</p>\n"};
  EXPECT_THAT(page_html(page), Not(HasSubstr("class=\"summary\"")));
  page.summary = "All <good>.";
  EXPECT_THAT(page_html(page), HasSubstr("<p class=\"summary\">All &lt;good&gt;.</p>\n</header>"));
  EXPECT_EQ(markup_fault(page_html(page)), "");
}

TEST(Page, SaysWhatMadeItAndHowLayersCount) {
  EXPECT_THAT(page_html({"", "", "", "1.2.3"}),
              HasSubstr("Made by emend 1.2.3. Layers count from 0.</footer>"));
}

TEST(PageTable, EscapesTextAndKnowsItsColumns) {
  const PageTable table{"a <label>", "a <caption>", {{"<name>", true}, {"value"}}, {{{"<x>"}, {"1", "bad"}}}};
  const std::string html = table_html(table);
  EXPECT_EQ(markup_fault(html), "");
  EXPECT_THAT(html, HasSubstr("aria-label=\"a &lt;label&gt;\""));
  EXPECT_THAT(html, HasSubstr("<caption>a &lt;caption&gt;</caption>"));
  EXPECT_THAT(html,
              HasSubstr("<th scope=\"col\" class=\"text\">&lt;name&gt;</th><th scope=\"col\">value</th>"));
  EXPECT_THAT(html, HasSubstr("<th scope=\"row\" class=\"text\">&lt;x&gt;</th><td class=\"bad\">1</td>"));
}

TEST(PageTable, ARowOfOneCellHeadsAGroup) {
  const PageTable table{"figures", "", {{""}, {"a"}, {"b"}}, {{{"group"}}, {{"member"}, {"1"}, {"2"}}}};
  const std::string html = table_html(table);
  EXPECT_EQ(markup_fault(html), "");
  EXPECT_THAT(html, Not(HasSubstr("<caption")));
  EXPECT_THAT(html, HasSubstr("<th class=\"group\" colspan=\"3\" scope=\"rowgroup\">group</th></tr>"));
  EXPECT_THAT(html, HasSubstr("<th scope=\"row\" class=\"member\">member</th><td>1</td><td>2</td>"));
}

TEST(PageTable, HoldsWithoutRows) {
  EXPECT_EQ(markup_fault(table_html({"nothing", "", {{"a"}}, {}})), "");
}

}  // namespace
}  // namespace emend
