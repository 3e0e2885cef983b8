#include "reports/eval_curve.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "eval/results/metric_names.h"
#include "report/numbers.h"
#include "report/svg.h"
#include "reports/eval_charts.h"

namespace emend {
namespace {

constexpr int kWidth = 336;

// A figure of each point: of all records so far, or of the first ones alone.
struct CurveFigure {
  std::string metric;
  std::string column;  // its name in a table
  std::string title;   // of its chart
  bool of_first = false;
};

// Of one way to judge an answer: "success" or "generated".
std::vector<CurveFigure> answer_figures(const std::string& measure) {
  const bool forced = measure == "success";
  const std::string how = forced ? "" : ", generated answers";
  std::vector<CurveFigure> figures = {{forced ? "score" : "score_generated", "score", "Score" + how}};
  for (const auto& [question, title] :
       {std::pair{"efficacy", "Efficacy"}, {"paraphrase", "Paraphrases"}, {"neighbourhood", "Neighbourhood"}})
    figures.push_back({fmt::format("{}_{}", question, measure), question, title + how});
  figures.push_back({"efficacy_" + measure, "first edits", "Efficacy of the first edits" + how, true});
  return figures;
}

// Of data sets whose records have no answer to compare with.
std::vector<CurveFigure> accuracy_figures() {
  return {{"rewrite_acc", "rewrite_acc", "Token accuracy of edited prompts"},
          {"rephrase_acc", "rephrase_acc", "Token accuracy of other wordings"},
          {"rewrite_acc", "first edits", "Token accuracy of the first edits", true}};
}

// Of the model as a whole.
std::vector<CurveFigure> model_figures() {
  return {{"drift_kl", "drift, KL", "Drift: KL on held text, nats"},
          {"drift_perplexity", "drift, perplexity", "Drift: perplexity on held text, edited over unedited"},
          {"fluency", "fluency", "Fluency, bits"}};
}

std::vector<CurveFigure> joined(std::vector<CurveFigure> figures, const std::vector<CurveFigure>& more) {
  figures.insert(figures.end(), more.begin(), more.end());
  return figures;
}

const MetricSummary* figure_at(const EvalSummary::CurvePoint& point, const CurveFigure& figure) {
  return find_figure(figure.of_first ? point.first_metrics : point.metrics, figure.metric);
}

// Those that some point of some run has.
std::vector<CurveFigure> measured(std::vector<CurveFigure> figures, const std::vector<EvalSummary>& runs) {
  std::erase_if(figures, [&](const CurveFigure& figure) {
    for (const EvalSummary& run : runs)
      for (const EvalSummary::CurvePoint& point : run.curve)
        if (figure_at(point, figure) != nullptr) return false;
    return true;
  });
  return figures;
}

// Answers that are given to the model.
std::vector<CurveFigure> measured_forced(const std::vector<EvalSummary>& runs) {
  const std::vector<CurveFigure> compared = measured(answer_figures("success"), runs);
  return compared.empty() ? measured(accuracy_figures(), runs) : compared;
}

// How many records the figures of all records are over.
std::string records_text(const EvalSummary::CurvePoint& point) {
  std::int64_t most = 0;
  for (const auto& [metric, figure] : point.metrics) most = std::max(most, figure.n);
  return count_text(most);
}

SummarySection section_of(const std::vector<EvalSummary>& runs, const std::vector<CurveFigure>& figures) {
  SummarySection section;
  if (figures.empty()) return section;
  section.columns = {"edits"};
  for (const CurveFigure& figure : figures) section.columns.push_back(figure.column);
  section.columns.emplace_back("n");
  for (const EvalSummary& run : runs) {
    if (run.curve.empty()) continue;
    section.rows.push_back({run.name()});
    for (const EvalSummary::CurvePoint& point : run.curve) {
      std::vector<std::string>& row = section.rows.emplace_back(1, count_text(point.edits));
      for (const CurveFigure& figure : figures) {
        const MetricSummary* value = figure_at(point, figure);
        row.push_back(value == nullptr ? "-" : figure_text(figure.metric, *value));
      }
      row.push_back(records_text(point));
    }
  }
  return section;
}

LineChart::Series series_of(const EvalSummary& run, const CurveFigure& figure) {
  LineChart::Series series{run.name(), {}};
  for (const EvalSummary::CurvePoint& point : run.curve)
    if (const MetricSummary* value = figure_at(point, figure))
      series.points.push_back({static_cast<double>(point.edits), dot_of(figure.metric, *value)});
  return series;
}

// Shares that are all in the upper half are drawn there. Drift may grow over powers of ten.
Axis value_axis(const CurveFigure& figure, const std::vector<double>& values) {
  constexpr double kManyTimes = 30;
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  if (is_share(figure.metric)) return {"", !values.empty() && *least > 0.5 ? 0.5 : 0.0, 1, true};
  const bool wide = !values.empty() && *least > 0 && *most > kManyTimes * *least;
  return wide ? log_axis_around("", values) : axis_around("", values);
}

TitledChart chart_of(const std::vector<EvalSummary>& runs, const CurveFigure& figure) {
  LineChart chart;
  chart.frame = {figure.title + " over the number of edits", "", kWidth};
  std::vector<double> edits, values;
  for (const EvalSummary& run : runs) {
    chart.series.push_back(series_of(run, figure));
    for (const LineChart::Point& p : chart.series.back().points) {
      edits.push_back(p.x);
      values.insert(values.end(), {p.y.low, p.y.value, p.y.high});
    }
    for (const EvalSummary::CurvePoint& point : run.curve)
      if (const MetricSummary* value = figure_at(point, figure))
        chart.frame.description += fmt::format("{}, {} edits: {}. ", run.name(), count_text(point.edits),
                                               figure_text(figure.metric, *value));
  }
  chart.x = log_axis_around("edits", edits);
  chart.y = value_axis(figure, values);
  return {figure.title, line_band_svg(chart)};
}

}  // namespace

std::vector<SummarySection> curve_sections(const std::vector<EvalSummary>& runs) {
  std::vector<SummarySection> sections = {
      section_of(runs, joined(measured_forced(runs), measured(model_figures(), runs))),
      section_of(runs, measured(answer_figures("generated"), runs))};
  sections[0].title = "Along the sequence";
  sections[0].note =
      "After so many edits onto the same model, over all n records so far that were evaluated; shares in "
      "percent, "
      "± half the width of the 95 % interval. Efficacy, paraphrase and neighbourhood are successes: the "
      "expected "
      "answer is likelier than the other one. first edits: the first ten records alone.";
  sections[1].title = "Along the sequence: generated answers";
  sections[1].note = "The same points where the free greedy text must begin with the expected answer.";
  std::erase_if(sections, [](const SummarySection& section) { return section.rows.empty(); });
  return sections;
}

std::vector<TitledChart> curve_charts(const std::vector<EvalSummary>& runs) {
  std::vector<TitledChart> charts;
  for (const CurveFigure& figure :
       joined(measured_forced(runs), measured(joined(answer_figures("generated"), model_figures()), runs)))
    charts.push_back(chart_of(runs, figure));
  return charts;
}

}  // namespace emend
