#include "reports/statistics_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "../support/markup_check.h"
#include "../support/tiny_models.h"
#include "reports/statistics_charts.h"
#include "reports/statistics_report.h"

namespace emend {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

StatisticsSummary stored() {
  StatisticsSummary summary;
  summary.source = "text: <corpus>";
  summary.settings = "window 512";
  summary.fingerprint = "abcdef";
  summary.layers = {{0, 960, 12.5, {0.25, 4321.0, 40.5}},
                    {3, 960, 25.75, {std::nullopt, std::nullopt, 20.5}}};
  summary.log_spectra = {{3, {1.0, 0.0, -2.0}}};
  return summary;
}

StatisticsOutcome collected() {
  StatisticsOutcome outcome;
  outcome.report.source = "self, seed 0";
  outcome.report.fingerprint = "c0ffee";
  outcome.report.curve = {{100, 0, 0.5}, {200, 0, 0.25}};
  outcome.plan.passes = {{0, 3}};
  outcome.plan.tokens = 960;
  outcome.plan.blocks = 2;
  outcome.layers = stored().layers;
  outcome.has_until = true;
  outcome.seconds = {{"collect", 2.0}};
  return outcome;
}

TEST(StatisticsPage, IsWellFormedAndNeedsNothingElse) {
  const std::string page = statistics_html(stored_page(stored(), "stats/world"));
  EXPECT_EQ(markup_fault(page), "");
  for (const char* part : {"<script", "src=", "href=", "url(", "@import", ">nan", " nan", "<corpus>"})
    EXPECT_THAT(page, Not(HasSubstr(part)));
  for (const char* part :
       {"<h1>Statistics of world</h1>", "color-scheme: light dark", "@media (prefers-color-scheme: dark)",
        "text: &lt;corpus&gt;", "window 512", "abcdef"})
    EXPECT_THAT(page, HasSubstr(part));
}

TEST(StatisticsPage, HasTheFiguresOfTheTerminalTable) {
  const std::string page = statistics_html(stored_page(stored(), "stats/world"));
  const std::string first =
      "<tr><th scope=\"row\">0</th><td>960</td><td>12.500</td><td>4321</td><td>40.5</td>";
  EXPECT_THAT(page, HasSubstr(first + "<td>0.250</td></tr>"));
  EXPECT_THAT(page,
              HasSubstr("<th scope=\"row\">3</th><td>960</td><td>25.750</td><td class=\"bad\">singular</td>"
                        "<td>20.5</td><td>not known</td></tr>"));
  const std::string text = statistics_text(stored(), 0);
  for (const char* number : {"12.500", "4321", "40.5", "0.250", "25.750", "20.5"})
    EXPECT_THAT(text, HasSubstr(number));
}

TEST(StatisticsPage, SumsUpTheWorstLayer) {
  EXPECT_THAT(
      statistics_html(stored_page(stored(), "a")),
      HasSubstr("<p class=\"summary\">2 layers of 960 keys each. The estimated error of C⁻¹ k is 0.250 at "
                "most, at layer 0. C is singular at layer 3.</p>"));
  StatisticsSummary uneven = stored();
  uneven.layers[1].tokens = 1920;
  EXPECT_THAT(statistics_html(stored_page(uneven, "a")), HasSubstr("2 layers of 960 to 1,920 keys each."));
  uneven.layers.pop_back();
  EXPECT_THAT(statistics_html(stored_page(uneven, "a")), HasSubstr("1 layer of 960 keys. "));
  EXPECT_EQ(markup_fault(statistics_html(stored_page({}, ""))), "");
}

TEST(StatisticsPage, OfACollectionTellsHowTheErrorFell) {
  const Model model = test::tiny_model("gpt2");
  StatisticsOptions options;
  options.prefix = {7};
  options.seed = 3;
  const std::string page = statistics_html(collected_page(collected(), options, model, "out"));
  EXPECT_EQ(markup_fault(page), "");
  for (const char* part :
       {"<h2>Error while collecting</h2>", "The text ended before the error asked for was reached.", "c0ffee",
        "960 keys a layer in 2 blocks, 1 pass over the text", "token 7", "self, seed 0", ">out<"})
    EXPECT_THAT(page, HasSubstr(part));
  EXPECT_THAT(page, Not(HasSubstr("<h2>Spectra</h2>")));
  EXPECT_THAT(page, HasSubstr(model.fingerprint()));
}

TEST(LayerCharts, LeaveOutWhatIsNotKnown) {
  const std::vector<TitledChart> charts = layer_charts(stored().layers);
  ASSERT_THAT(charts, SizeIs(3));
  EXPECT_THAT(charts[1].svg, HasSubstr("From 20.5 to 40.5."));
  for (const TitledChart& chart : charts) EXPECT_THAT(chart.svg, Not(HasSubstr("nan")));
  EXPECT_THAT(layer_charts({stored().layers[0]}), IsEmpty());  // one number is no chart
  std::vector<LayerSummary> unknown = stored().layers;
  for (LayerSummary& layer : unknown) layer.quality = {};
  EXPECT_THAT(layer_charts(unknown), IsEmpty());
}

TEST(SpectraCharts, DrawFiveLayersEach) {
  std::map<int, std::vector<double>> spectra;
  for (int layer = 0; layer < 7; ++layer) spectra[layer] = {1.0, 0.0, -2.0};
  const std::vector<TitledChart> charts = spectra_charts(spectra);
  ASSERT_THAT(charts, SizeIs(2));
  EXPECT_EQ(charts[0].title, "Layers 0, 1, 2, 3, 4");
  EXPECT_EQ(charts[1].title, "Layers 5, 6");
  EXPECT_THAT(charts[1].svg, HasSubstr("layer 6"));
  EXPECT_THAT(charts[1].svg, Not(HasSubstr("layer 4")));
  EXPECT_THAT(spectra_charts({}), IsEmpty());
}

}  // namespace
}  // namespace emend
