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

}  // namespace
}  // namespace emend
