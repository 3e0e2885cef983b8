// The pages of a trace, an edit, statistics and a benchmark are of one form.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "../support/sample_results.h"
#include "report/html.h"
#include "reports/edit_page.h"
#include "reports/eval_page.h"
#include "reports/locate_page.h"
#include "reports/statistics_page.h"
#include "sample_edit.h"
#include "sample_locate.h"

namespace emend {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string trace_page() {
  const LocateOutcome outcome = test::sample_locate();
  return locate_page(
      {"world", &outcome.result, &outcome.average, &outcome.ranking, &outcome.decision, "Layer 1.", {}});
}

std::string layers_page() {
  StatisticsSummary summary;
  summary.layers = {{0, 960, 12.5, {0.25, 4321.0, 40.5}}};
  return statistics_html(stored_page(summary, "stats"));
}

std::map<std::string, std::string> pages() {
  return {{"trace", trace_page()},
          {"edit", edit_page(test::sample_edit())},
          {"statistics", layers_page()},
          {"benchmark", eval_page({sample_results("rome")})}};
}

TEST(Pages, HaveOneStyleHeaderAndFooter) {
  for (const auto& [name, page] : pages()) {
    EXPECT_THAT(page, HasSubstr("<style>" + page_style())) << name;
    EXPECT_THAT(page, HasSubstr("<header>\n<h1>")) << name;
    EXPECT_THAT(page, HasSubstr("<p class=\"summary\">")) << name;
    EXPECT_THAT(page, HasSubstr("<footer class=\"note\">Made by emend ")) << name;
    EXPECT_THAT(page, HasSubstr(". Layers count from 0.</footer>")) << name;
  }
}

// Colours come from the style sheet alone, so that they change with light and dark.
TEST(Pages, HaveTheirColoursFromTheStyleSheet) {
  for (auto [name, page] : pages()) {
    page.erase(page.find("<style>"), page.find("</style>") - page.find("<style>"));
    for (const char* part : {"style=", "fill=", "stroke=", "rgb(", "color="})
      EXPECT_THAT(page, Not(HasSubstr(part))) << name;
  }
}

// Every table is one of settings or in a region that scrolls.
TEST(Pages, HaveOneFormOfTable) {
  for (const auto& [name, page] : pages())
    for (std::size_t at = page.find("<table"); at != std::string::npos; at = page.find("<table", at + 1)) {
      const bool settings = page.compare(at, 21, "<table class=\"words\">") == 0;
      EXPECT_TRUE(settings || (at > 2 && page.compare(at - 2, 2, "\">") == 0)) << name << page.substr(at, 80);
    }
}

}  // namespace
}  // namespace emend
