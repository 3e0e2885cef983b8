// The page about values: curves over layers, bins, the sharpest values.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "report/html.h"
#include "report/numbers.h"
#include "report/svg.h"
#include "reports/page.h"
#include "reports/values_report.h"
#include "reports/values_words.h"

namespace emend {
namespace {

constexpr int kWidth = 520;

const char* const kSections = R"html({{#has_agreement}}
<section>
<h2>Do values foretell what follows their triggers?</h2>
<p class="note">A cell agrees when its value's favourite token is the one that follows its strongest trigger. Shuffled: the same
with the next tokens of the layer permuted, so that frequent tokens are allowed for; one in V would flatter.</p>
{{{agreement_charts}}}{{{agreement}}}</section>
{{/has_agreement}}
<section>
<h2>Layers</h2>
{{{layer_charts}}}{{{layers}}}</section>
<section>
<h2>The sharpest values</h2>
<p class="note">By the largest probability of softmax(z) for +v, softmax(-z) for -v. Such probabilities are no calibrated ones:
they tell values of one model apart.</p>
{{{sharpest}}}</section>
<section>
<h2>How this was made</h2>
{{{settings}}}</section>
)html";

LineChart::Series curve(const ValuesOutcome& outcome, const std::string& name,
                        const std::function<Dot(const LayerValues&)>& figure) {
  LineChart::Series series{name, {}};
  for (const LayerValues& layer : outcome.layers)
    series.points.push_back({static_cast<double>(layer.layer), figure(layer)});
  return series;
}

Dot plain(double value) {
  return {value, NAN, NAN};
}

TitledChart chart_of(const ValuesOutcome& outcome, const std::string& title, Axis y,
                     std::vector<LineChart::Series> series) {
  LineChart chart;
  chart.frame = {title, title + " by layer.", kWidth};
  chart.x = {"layer", outcome.layers.front().layer - 0.5, outcome.layers.back().layer + 0.5};
  chart.y = std::move(y);
  chart.series = std::move(series);
  return {title, line_band_svg(chart)};
}

std::vector<double> heights(const std::vector<LineChart::Series>& series) {
  std::vector<double> values;
  for (const LineChart::Series& one : series)
    for (const LineChart::Point& point : one.points)
      for (const double value : {point.y.value, point.y.low, point.y.high}) values.push_back(value);
  return values;
}

// From 0 up, in percent or as they are.
Axis axis_from_zero(const std::string& label, const std::vector<LineChart::Series>& series, bool percent) {
  Axis axis = axis_around(label, heights(series));
  axis.low = 0;
  axis.percent = percent;
  return axis;
}

Dot quartile_dot(const std::array<double, 3>& quartiles) {
  return {quartiles[1], quartiles[0], quartiles[2]};
}

std::vector<TitledChart> layer_charts(const ValuesOutcome& outcome) {
  if (outcome.layers.size() < 2) return {};
  const auto sharp = {curve(outcome, "median and quartiles", [](const LayerValues& layer) {
    return quartile_dot(layer.largest_probability);
  })};
  const auto entropy = {
      curve(outcome, "entropy", [](const LayerValues& layer) { return plain(layer.entropy); })};
  const auto norm = {curve(outcome, "length", [](const LayerValues& layer) { return plain(layer.norm); })};
  return {
      chart_of(outcome, "Largest probability of a value", log_axis_around("max p", heights(sharp)), sharp),
      chart_of(outcome, "Entropy of a value", axis_around("nats, median", heights(entropy)), entropy),
      chart_of(outcome, "Length of a value", axis_from_zero("median", norm, false), norm)};
}

bool has_agreement(const ValuesOutcome& outcome) {
  return !outcome.layers.empty() && outcome.layers.front().agreement.has_value();
}

TitledChart bins_chart(const std::string& title, const std::vector<PredictiveBin>& bins) {
  BarChart chart;
  chart.frame = {title, title + ".", kWidth};
  chart.x_label = "agreement, %";
  for (const PredictiveBin& bin : bins)
    chart.rows.push_back({fmt::format("{} to {} ({} cells)", number_text(bin.low), number_text(bin.high),
                                      count_text(bin.cells)),
                          100 * bin.agreement});
  return {title, bar_svg(chart)};
}

std::vector<TitledChart> agreement_charts(const ValuesOutcome& outcome) {
  if (!has_agreement(outcome)) return {};
  const auto figure = [&](const std::string& name, double ValueAgreement::*member) {
    return curve(outcome, name, [member](const LayerValues& layer) {
      return plain(layer.agreement ? (*layer.agreement).*member : NAN);
    });
  };
  std::vector<TitledChart> charts;
  if (outcome.layers.size() > 1) {
    const std::vector<LineChart::Series> shares = {figure("agreement", &ValueAgreement::agreement),
                                                   figure("shuffled", &ValueAgreement::shuffled),
                                                   figure("echo", &ValueAgreement::echo)};
    charts.push_back(chart_of(outcome, "Agreement", axis_from_zero("share of cells", shares, true), shares));
    const std::vector<LineChart::Series> ranks = {
        curve(outcome, "median and quartiles of rank + 1", [](const LayerValues& layer) {
          if (!layer.agreement) return plain(NAN);
          const std::array<double, 3>& rank = layer.agreement->rank;
          return Dot{rank[1] + 1, rank[0] + 1, rank[2] + 1};
        })};
    charts.push_back(
        chart_of(outcome, "Rank of the next token", log_axis_around("rank + 1", heights(ranks)), ranks));
  }
  charts.push_back(bins_chart("Agreement by largest probability, bins of equal width", outcome.equal_width));
  charts.push_back(bins_chart("Agreement by largest probability, bins of equal count", outcome.equal_count));
  return charts;
}

std::string layers_table(const ValuesOutcome& outcome) {
  PageTable table{"values by layer",
                  "",
                  {{"layer"}, {"cells"}, {"max p: quartiles"}, {"entropy, median"}, {"length, median"}},
                  {}};
  for (const LayerValues& layer : outcome.layers)
    table.rows.push_back({{std::to_string(layer.layer)},
                          {count_text(layer.cells)},
                          {quartiles_text(layer.largest_probability)},
                          {number_text(layer.entropy)},
                          {number_text(layer.norm)}});
  return table_html(table);
}

std::string agreement_table(const ValuesOutcome& outcome) {
  if (!has_agreement(outcome)) return "";
  PageTable table{"agreement by layer",
                  "",
                  {{"layer"},
                   {"agreement"},
                   {"shuffled"},
                   {"rank: quartiles"},
                   {"MRR"},
                   {"hit@10"},
                   {precision_name(outcome)},
                   {"echo"},
                   {"of cells"}},
                  {}};
  for (const LayerValues& layer : outcome.layers) {
    const ValueAgreement found = layer.agreement.value_or(ValueAgreement{});
    table.rows.push_back({{std::to_string(layer.layer)},
                          {share_text(found.agreement)},
                          {share_text(found.shuffled)},
                          {ranks_text(found.rank)},
                          {number_text(found.mean_reciprocal_rank)},
                          {share_text(found.hit10)},
                          {share_text(found.precision)},
                          {share_text(found.echo)},
                          {count_text(found.defined)}});
  }
  return table_html(table);
}

std::string sharpest_table(const ValuesOutcome& outcome) {
  PageTable table{
      "the sharpest values", "", {{"cell"}, {"direction"}, {"max p"}, {"first tokens", true}}, {}};
  const bool agreement = has_agreement(outcome);
  if (agreement) {
    table.columns.push_back({"next", true});
    table.columns.push_back({precision_name(outcome)});
  }
  for (const SharpValue& value : outcome.sharpest) {
    std::vector<PageCell> row = {{to_string(value.cell)},
                                 {value.positive ? "+v" : "-v"},
                                 {probability_text(value.probability)},
                                 {tokens_text(value.tokens), "model-text"}};
    if (agreement) {
      const bool agrees = value.next && value.next == value.ids.front();
      row.push_back({value.next ? value.next_text : "-", agrees ? "good" : ""});
      row.push_back({value.precision ? share_text(*value.precision) : "-"});
    }
    table.rows.push_back(std::move(row));
  }
  return table_html(table);
}

std::string settings(const ValuesOutcome& outcome, const ValueOptions& options, const Model& model) {
  return settings_html({{"model", model.path().string()},
                        {"fingerprint of the model", model.fingerprint()},
                        {"lens", to_string(options.lens)},
                        {"tokens kept at each end", std::to_string(outcome.top)},
                        {"special tokens", options.lens.mask_special ? "left out" : "take part"},
                        {"index", options.index.empty() ? "none" : options.index.string()},
                        {"its settings", outcome.index_settings.empty() ? "-" : outcome.index_settings},
                        {"seed", std::to_string(options.seed)}});
}

}  // namespace

std::string values_page(const ValuesOutcome& outcome, const ValueOptions& options, const Model& model) {
  Page page;
  page.title = "Values of " + model.path().filename().string();
  page.subtitle = "What the cells of the feed-forward layers write, as distributions over the vocabulary.";
  page.summary = values_summary(outcome, options);
  page.body = fill_template(kSections, {{"has_agreement", has_agreement(outcome)},
                                        {"agreement_charts", charts_html(agreement_charts(outcome))},
                                        {"agreement", agreement_table(outcome)},
                                        {"layer_charts", charts_html(layer_charts(outcome))},
                                        {"layers", layers_table(outcome)},
                                        {"sharpest", sharpest_table(outcome)},
                                        {"settings", settings(outcome, options, model)}});
  return page_html(page);
}

}  // namespace emend
