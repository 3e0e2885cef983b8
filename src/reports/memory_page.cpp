#include "reports/memory_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "report/html.h"
#include "report/numbers.h"
#include "report/svg.h"
#include "reports/memory_report.h"
#include "reports/page.h"

namespace emend {
namespace {

const char* const kScanSections = R"html(<section>
<h2>Layers</h2>
{{{layers}}}<p class="note">Active: share of coefficients whose score is positive (the gate's, if there is one). Dead: cells without an activation alone never above 0; gated cells whose largest contribution is below a thousandth of the layer's median. Quantiles are read from histograms with two bins an octave and so are approximate.</p>
{{{charts}}}</section>
<section>
<h2>How it was scanned</h2>
{{{settings}}}
</section>
)html";

const char* const kCellSections = R"html(<section>
<h2>Largest coefficients</h2>
{{{high}}}</section>
{{#low}}<section>
<h2>Least coefficients</h2>
<p class="note">A negative coefficient adds the opposite of the cell's value.</p>
{{{low}}}</section>
{{/low}}<section>
<h2>Distribution</h2>
{{{charts}}}{{{figures}}}<p class="note">The histogram has two bins an octave, by sign and size; quantiles are read from it and so are approximate.</p>
</section>
{{#value}}<section>
<h2>Value</h2>
{{{value}}}</section>
{{/value}}<section>
<h2>Examples from between</h2>
<p class="note">One token drawn from each octave of the coefficient.</p>
{{{middle}}}</section>
<section>
<h2>Examples drawn at random</h2>
{{{random}}}</section>
<section>
<h2>How it was scanned</h2>
{{{settings}}}
</section>
)html";

constexpr int kChartWidth = 520;

PageTable layers_table(const std::vector<LayerScan>& layers) {
  PageTable table{"Layers", "", {{"layer"}, {"cells"}, {"active"}, {"dead"}}, {}};
  for (const double share : quantile_shares()) table.columns.push_back({"q" + quantile_name(share)});
  for (const LayerScan& layer : layers) {
    std::vector<PageCell> row = {{std::to_string(layer.layer)},
                                 {count_text(layer.cells)},
                                 {percent_text(layer.active_share)},
                                 {count_text(layer.dead)}};
    for (const double value : layer.quantiles) row.push_back({number_text(value)});
    table.rows.push_back(std::move(row));
  }
  return table;
}

TitledChart active_chart(const std::vector<LayerScan>& layers) {
  LineChart chart;
  const std::string title = "Active share by layer";
  chart.frame = {title, "", kChartWidth};
  chart.x = {"layer", layers.front().layer - 0.5, layers.back().layer + 0.5};
  chart.y = {"active share", 0, 1, true};
  LineChart::Series series{"active", {}};
  for (const LayerScan& layer : layers)
    series.points.push_back({static_cast<double>(layer.layer), {layer.active_share, NAN, NAN}});
  chart.series = {series};
  return {title, line_band_svg(chart)};
}

std::vector<std::pair<std::string, std::string>> settings_of(const MemoryIndexHead& head) {
  return {{"model", head.model},
          {"fingerprint of the model", head.model_fingerprint},
          {"type of the weights", to_string(head.dtype)},
          {"text", head.corpus},
          {"fingerprint of the text", head.corpus_fingerprint},
          {"tokens counted", count_text(head.tokens)},
          {"settings", head.settings},
          {"seed", std::to_string(head.seed)},
          {"fingerprint of the scan", head.fingerprint},
          {"version", head.version}};
}

std::string examples_html(const std::string& label, const std::vector<MemoryExample>& examples) {
  if (examples.empty()) return "<p>There are no examples.</p>\n";
  const bool gated = examples.front().gate.has_value();
  PageTable table{label, "", {{"coefficient"}}, {}};
  if (gated) {
    table.columns.push_back({"gate"});
    table.columns.push_back({"up"});
  }
  table.columns.insert(
      table.columns.end(),
      {{"text up to the token", true}, {"token", true}, {"next", true}, {"document"}, {"position"}});
  for (const MemoryExample& example : examples) {
    std::vector<PageCell> row = {{number_text(static_cast<double>(example.coefficient))}};
    if (gated) {
      row.push_back({number_text(static_cast<double>(*example.gate))});
      row.push_back({number_text(static_cast<double>(*example.up))});
    }
    row.push_back({example.text, "model-text"});
    row.push_back({example.token, "model-text"});
    row.push_back({example.next_id ? example.next : "-", "model-text"});
    row.push_back({std::to_string(example.document)});
    row.push_back({std::to_string(example.position)});
    table.rows.push_back(std::move(row));
  }
  return table_html(table);
}

// Bars over the logarithm of the size, negative ones at the left.
TitledChart histogram_chart(const MemoryRecord& record) {
  HistogramChart chart;
  const std::string title = "Coefficients by sign and size";
  chart.frame = {title, "", kChartWidth};
  const auto bins = static_cast<double>(record.histogram.size());
  chart.x = {"sign × octaves above 2⁻¹⁰ (0: smallest)", -bins / 4, bins / 4};
  HistogramSeries series{"share of tokens", {}};
  double total = 0;
  for (const std::int64_t count : record.histogram) total += static_cast<double>(count);
  for (const std::int64_t count : record.histogram)
    series.shares.push_back(total > 0 ? static_cast<double>(count) / total : 0);
  chart.now = series;
  return {title, histogram_svg(chart)};
}

std::string figures_html(const MemoryRecord& record) {
  std::vector<std::pair<std::string, std::string>> figures;
  for (std::size_t i = 0; i < record.quantiles.size(); ++i)
    figures.emplace_back("quantile " + quantile_name(quantile_shares()[i]), number_text(record.quantiles[i]));
  figures.emplace_back("mean", number_text(record.mean));
  figures.emplace_back("standard deviation", number_text(std::sqrt(record.variance)));
  figures.emplace_back("length of the value", number_text(record.value_norm));
  if (record.quadrants) {
    figures.emplace_back("gate and up positive", count_text(record.quadrants->both));
    figures.emplace_back("gate alone positive", count_text(record.quadrants->gate_only));
    figures.emplace_back("up alone positive", count_text(record.quadrants->up_only));
    figures.emplace_back("neither positive", count_text(record.quadrants->neither));
  }
  return settings_html(figures);
}

std::string value_html(const std::optional<CellValue>& value) {
  if (!value) return "";
  PageTable table{
      "Value", "", {{"rank"}, {"+v promotes", true}, {"logit"}, {"-v promotes", true}, {"logit"}}, {}};
  for (std::size_t k = 0; k < value->top.size(); ++k)
    table.rows.push_back({{std::to_string(k + 1)},
                          {value->top[k].text, "model-text"},
                          {number_text(value->top[k].logit)},
                          {value->bottom[k].text, "model-text"},
                          {number_text(-value->bottom[k].logit)}});
  return "<p class=\"note\">Logits of the value by the lens " + escape_html(value->lens) +
         ". The cell adds +v where its coefficient is positive and -v where it is negative.</p>\n" +
         table_html(table);
}

}  // namespace

std::string scan_layers_html(const std::vector<LayerScan>& layers) {
  return table_html(layers_table(layers)) + (layers.size() < 2 ? "" : charts_html({active_chart(layers)}));
}

std::string scan_settings_html(const MemoryIndexHead& head) {
  return settings_html(settings_of(head));
}

ScanPage scan_page(const MemoryIndex& index) {
  return {index.head(), index.layers(), index.folder().string()};
}

std::string scan_html(const ScanPage& content) {
  std::int64_t dead = 0, cells = 0;
  for (const LayerScan& layer : content.layers) {
    dead += layer.dead;
    cells += layer.cells;
  }
  auto settings = settings_of(content.head);
  settings.emplace_back("folder", content.folder);
  Page page;
  page.title = "Memories of " + content.head.model;
  page.subtitle = "Coefficients of the feed-forward cells over text.";
  page.summary = fmt::format("{} cells of {} layers over {} tokens; {} of them are dead on this text.",
                             count_text(cells), content.layers.size(), count_text(content.head.tokens),
                             count_text(dead));
  page.body =
      fill_template(kScanSections,
                    {{"layers", table_html(layers_table(content.layers))},
                     {"charts", content.layers.size() < 2 ? "" : charts_html({active_chart(content.layers)})},
                     {"settings", settings_html(settings)}});
  return page_html(page);
}

std::string cell_html(const MemoryRecord& record, const MemoryIndexHead& head) {
  Page page;
  page.title = to_string(record.id) + " of " + head.model;
  page.subtitle = "One cell of a feed-forward layer, read as a memory.";
  page.summary = cell_summary(record, head);
  if (!record.labels.empty()) page.summary += " Labels: " + join(record.labels, "; ") + ".";
  page.body = fill_template(
      kCellSections,
      {{"high", examples_html("Largest coefficients", record.high)},
       {"low", or_false(record.low.empty() ? "" : examples_html("Least coefficients", record.low))},
       {"charts", charts_html({histogram_chart(record)})},
       {"figures", figures_html(record)},
       {"value", or_false(value_html(record.value))},
       {"middle", examples_html("Examples from between", record.middle)},
       {"random", examples_html("Examples drawn at random", record.random)},
       {"settings", settings_html(settings_of(head))}});
  return page_html(page);
}

}  // namespace emend
