#include "reports/memory_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/markup_check.h"
#include "reports/memory_report.h"

namespace emend {
namespace {

using testing::HasSubstr;
using testing::Not;

MemoryIndexHead sample_head() {
  MemoryIndexHead head;
  head.model = "tiny <model>";
  head.model_layers = 4;
  head.cells = 8;
  head.tokens = 1000;
  head.settings = "window 512";
  head.gated = true;
  head.layers = {0, 2};
  return head;
}

MemoryExample sample_example(float coefficient, const std::string& text) {
  MemoryExample example;
  example.coefficient = coefficient;
  example.gate = 1.5F;
  example.up = -2.5F;
  example.document = 17;
  example.position = 23;
  example.token_id = 5;
  example.text = text;
  example.token = " end";
  return example;
}

MemoryRecord sample_record() {
  MemoryRecord record;
  record.id = {2, 3};
  record.tokens = 1000;
  record.active_share = 0.25;
  record.quantiles = {-3, -2, -1, 0, 1, 2, 3};
  record.histogram.assign(64, 5);
  record.quadrants = Quadrants{100, 150, 250, 500};
  record.high = {sample_example(7.25F, "a <b> & \"c\" end")};
  record.high[0].next_id = 9;
  record.high[0].next = " of";
  record.low = {sample_example(-4, "the other end")};
  record.middle = {sample_example(0.5F, "between")};
  return record;
}

TEST(MemoryPage, OfACellIsWellFormedAndNeedsNothingElse) {
  const std::string page = cell_html(sample_record(), sample_head());
  EXPECT_EQ(markup_fault(page), "");
  for (const char* part : {"<script", "src=", "href=", "url(", "@import", ">nan", "<b>", "tiny <model>"})
    EXPECT_THAT(page, Not(HasSubstr(part)));
  for (const char* part : {"<h1>L2D3 of tiny &lt;model&gt;</h1>", "a &lt;b&gt; &amp;", "7.25", "-4.00",
                           "Least coefficients", "gate and up positive", "between"})
    EXPECT_THAT(page, HasSubstr(part));
  EXPECT_THAT(page, Not(HasSubstr("<h2>Value</h2>")));
}

TEST(MemoryPage, ShowsTheValueOnceItIsKnown) {
  MemoryRecord record = sample_record();
  record.value = CellValue{{{4, " Rome", 3.5}}, {{6, " <s>", -2}}, ""};
  const std::string page = cell_html(record, sample_head());
  EXPECT_EQ(markup_fault(page), "");
  EXPECT_THAT(page, HasSubstr("<h2>Value</h2>"));
  EXPECT_THAT(page, HasSubstr(" Rome"));
  const ResultJson json = cell_json(record, sample_head());
  EXPECT_EQ(json["value"]["top"][0]["text"], " Rome");
  EXPECT_EQ(json["value"]["bottom"][0]["logit"], -2);
}

TEST(MemoryPage, OfReluHasNoLowEnd) {
  MemoryRecord record = sample_record();
  record.low.clear();
  EXPECT_THAT(cell_html(record, sample_head()), Not(HasSubstr("Least coefficients")));
}

TEST(MemoryPage, OfAScanHasTheFiguresOfTheLayers) {
  const std::vector<LayerScan> layers = {{0, 8, 0.5, 1, {-1, -0.5, 0, 0.25, 0.5, 1, 2}},
                                         {2, 8, 0.75, 2, {-3, -0.5, 0, 0.25, 0.5, 1, 4.5}}};
  const std::string page = scan_html({sample_head(), layers, "index"});
  EXPECT_EQ(markup_fault(page), "");
  for (const char* part : {"75.0 %", "4.50", "16 cells of 2 layers", "3 of them are dead", "window 512"})
    EXPECT_THAT(page, HasSubstr(part));
}

TEST(MemoryReport, ACellInJsonKeepsTheContract) {
  const ResultJson json = cell_json(sample_record(), sample_head());
  EXPECT_EQ(json["cell"], "L2D3");
  EXPECT_EQ(json["layer"], 2);
  EXPECT_EQ(json["index"], 3);
  EXPECT_EQ(json["dead"], false);
  for (const char* share : {"0.001", "0.01", "0.1", "0.5", "0.9", "0.99", "0.999"})
    EXPECT_TRUE(json["quantiles"].contains(share)) << share;
  EXPECT_EQ(json["triggers"]["high"][0]["coefficient"], 7.25);
  EXPECT_EQ(json["triggers"]["high"][0]["next"], " of");
  EXPECT_TRUE(json["triggers"]["low"][0]["next"].is_null());
  EXPECT_EQ(json["triggers"]["low"][0]["document"], 17);
  EXPECT_TRUE(json["value"]["top"].is_array());
  EXPECT_TRUE(json["labels"].empty());
}

TEST(MemoryReport, ACellInTextHasItsExamples) {
  const std::string text = cell_text(sample_record(), sample_head(), 5, 0);
  for (const char* part : {"L2D3 of tiny", "25.0 %", "q0.5 0", "Largest coefficients", "7.25", "\" of\"",
                           "between", "Quantiles are approximate"})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_THAT(text, Not(HasSubstr("Drawn at random")));
}

}  // namespace
}  // namespace emend
