#include "reports/eval_charts.h"

#include <algorithm>
#include <map>

#include "eval/results/interval.h"
#include "eval/results/metric_names.h"
#include "report/numbers.h"
#include "report/svg.h"
#include "reports/eval_tables.h"

namespace emend {
namespace {

constexpr int kWide = 760, kNarrow = 336;
constexpr std::size_t kBins = 20;

std::optional<Dot> optional_dot(const std::string& metric, const MetricSummary* figure) {
  return figure == nullptr ? std::nullopt : std::optional<Dot>(dot_of(metric, *figure));
}

DotChart::Row dot_row(const std::vector<EvalSummary>& runs, const std::string& metric) {
  DotChart::Row row;
  row.label = metric;
  row.dots.push_back(optional_dot(metric, find_base_figure(runs, metric)));
  for (const EvalSummary& run : runs)
    row.dots.push_back(optional_dot(metric, find_figure(run.metrics, metric)));
  return row;
}

// "score: unedited -, rome 83.1 ± 1.0."
std::string row_in_words(const std::vector<EvalSummary>& runs, const std::string& metric) {
  const MetricSummary* base = find_base_figure(runs, metric);
  std::string words = metric + ": unedited " + (base == nullptr ? "-" : figure_text(metric, *base));
  for (const EvalSummary& run : runs) {
    const MetricSummary* figure = find_figure(run.metrics, metric);
    words += ", " + run.name() + " " + (figure == nullptr ? "-" : figure_text(metric, *figure));
  }
  return words + ". ";
}

DotChart empty_chart(const std::vector<EvalSummary>& runs, const std::string& title, int width) {
  DotChart chart;
  chart.frame = {title, "", width};
  chart.series = {"unedited"};
  for (const EvalSummary& run : runs) chart.series.push_back(run.name());
  return chart;
}

void add_row(DotChart& chart, const std::vector<EvalSummary>& runs, const std::string& metric) {
  chart.rows.push_back(dot_row(runs, metric));
  chart.frame.description += row_in_words(runs, metric);
}

bool has_value(const std::vector<EvalSummary>& runs, const std::string& metric) {
  return find_base_figure(runs, metric) != nullptr ||
         std::any_of(runs.begin(), runs.end(),
                     [&](const EvalSummary& run) { return find_figure(run.metrics, metric) != nullptr; });
}

std::vector<double> ends_of(const DotChart::Row& row) {
  std::vector<double> values;
  for (const std::optional<Dot>& dot : row.dots)
    if (dot) values.insert(values.end(), {dot->low, dot->value, dot->high});
  return values;
}

// Shares lie in 0..1, magnitudes in -1..1.
Axis share_axis(const DotChart& chart) {
  double low = 0;
  for (const DotChart::Row& row : chart.rows)
    for (const double value : ends_of(row)) low = std::min(low, value);
  return {"mean over records", low < 0 ? std::max(-1.0, low - 0.02) : 0, 1, true};
}

std::string shares_title(std::optional<PromptForm> form) {
  const std::string title = "Successes and magnitudes";
  return form ? title + ", asked in the " + std::string(to_string(*form)) + " form" : title;
}

TitledChart single_metric_chart(const std::vector<EvalSummary>& runs, const std::string& metric) {
  DotChart chart = empty_chart(runs, metric, kNarrow);
  add_row(chart, runs, metric);
  chart.x = axis_around("mean over records", ends_of(chart.rows.front()));
  chart.rows.front().label = "";
  return {metric, dot_interval_svg(chart)};
}

LineChart::Series retention_series(const EvalSummary& run, const std::string& metric) {
  LineChart::Series series;
  series.name = run.name();
  for (const EvalSummary::RetentionPoint& point : run.retention)
    if (const MetricSummary* figure = find_figure(point.metrics, metric))
      series.points.push_back({static_cast<double>(point.edits), dot_of(metric, *figure)});
  return series;
}

TitledChart retention_chart(const std::vector<EvalSummary>& runs, const std::string& metric) {
  LineChart chart;
  chart.frame = {metric + " over the number of edits", "", kNarrow};
  std::vector<double> values;
  double most = 1;
  for (const EvalSummary& run : runs) {
    chart.series.push_back(retention_series(run, metric));
    for (const LineChart::Point& p : chart.series.back().points) {
      values.insert(values.end(), {p.y.low, p.y.value, p.y.high});
      most = std::max(most, p.x);
      chart.frame.description +=
          run.name() + ", " + number_text(p.x) + " edits: " + number_text(p.y.value) + ". ";
    }
  }
  chart.x = {"edits", 0, most, false};
  chart.y = axis_around("", values);
  if (is_share(metric))
    chart.y = {"", *std::min_element(values.begin(), values.end()) < 0 ? -1.0 : 0.0, 1, true};
  return {metric, line_band_svg(chart)};
}

// What is counted of one role's questions.
struct Counted {
  const char* title;
  const char* note;
  const char* role;
  const char* axis;
  double low;
  double (*value)(const AnswerState& state);
};

double target_probability(const AnswerState& state) {
  return state.p_target;
}

double lead_of_answer(const AnswerState& state) {
  return state.p_answer - state.p_target;
}

constexpr Counted kCounted[] = {
    {"Probability of the target on the edited prompts", "To the right is better.", "prompt", "p(target)", 0,
     target_probability},
    {"Probability of the target on paraphrases", "To the right is better.", "paraphrase", "p(target)", 0,
     target_probability},
    {"Lead of the neighbours' own answer",
     "p(own answer) less p(target): below zero the edit has spilled over; after and before should agree.",
     "neighbour", "p(own answer) - p(target)", -1, lead_of_answer},
};

std::optional<TitledChart> histogram_of(const EvalResults& run, const Counted& counted, int series) {
  std::vector<double> before, after;
  for (const RecordResult& record : run.records) {
    if (!is_evaluated(record.status)) continue;
    for (const AnswerTrace& trace : record.answers) {
      if (trace.role != counted.role) continue;
      before.push_back(counted.value(trace.before));
      after.push_back(counted.value(trace.after));
    }
  }
  if (after.empty()) return std::nullopt;
  HistogramChart chart;
  const std::string count = count_text(static_cast<std::int64_t>(after.size()));
  chart.frame = {std::string(counted.title) + ", " + run.summary.name(),
                 count + " prompts before and after the edit.", kNarrow};
  chart.x = {counted.axis, counted.low, 1, false};
  chart.now = {"after", histogram_shares(after, counted.low, 1, kBins)};
  chart.before = HistogramSeries{"before", histogram_shares(before, counted.low, 1, kBins)};
  chart.series = series;
  return TitledChart{run.summary.name() + " (" + count + " prompts)", histogram_svg(chart)};
}

}  // namespace

Dot dot_of(const std::string& metric, const MetricSummary& figure) {
  const Interval interval = interval_of(metric, figure).value_or(Interval{figure.mean, figure.mean});
  return {figure.mean, interval.low, interval.high};
}

std::vector<TitledChart> interval_charts(const std::vector<EvalSummary>& runs) {
  // Of the edits' own form, and of the other one.
  std::map<std::optional<PromptForm>, DotChart> shares;
  std::vector<TitledChart> others;
  for (const std::string& metric : metric_names(runs)) {
    if (!has_value(runs, metric)) continue;
    if (is_share(metric)) {
      const std::optional<PromptForm> form = form_of_metric(metric);
      const auto chart = shares.try_emplace(form, empty_chart(runs, shares_title(form), kWide)).first;
      add_row(chart->second, runs, metric);
    } else {
      others.push_back(single_metric_chart(runs, metric));
    }
  }
  std::vector<TitledChart> charts;
  for (auto& [form, chart] : shares) {
    chart.x = share_axis(chart);
    charts.push_back({chart.frame.title, dot_interval_svg(chart)});
  }
  charts.insert(charts.end(), others.begin(), others.end());
  return charts;
}

std::vector<TitledChart> retention_charts(const std::vector<EvalSummary>& runs) {
  std::vector<EvalSummary> points;  // as runs, so that names come in the usual order
  for (const EvalSummary& run : runs) {
    for (const EvalSummary::RetentionPoint& point : run.retention) {
      points.emplace_back();
      points.back().metrics = point.metrics;
    }
  }
  std::vector<TitledChart> charts;
  for (const std::string& metric : metric_names(points))
    if (has_value(points, metric)) charts.push_back(retention_chart(runs, metric));
  return charts;
}

std::vector<Distribution> distributions(const std::vector<EvalResults>& runs) {
  std::vector<Distribution> all;
  for (const Counted& counted : kCounted) {
    Distribution distribution{counted.title, counted.note, {}};
    for (std::size_t i = 0; i < runs.size(); ++i)
      if (auto chart = histogram_of(runs[i], counted, static_cast<int>(i) + 1))
        distribution.charts.push_back(std::move(*chart));
    if (!distribution.charts.empty()) all.push_back(std::move(distribution));
  }
  return all;
}

}  // namespace emend
