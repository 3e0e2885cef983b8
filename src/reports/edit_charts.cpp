#include "reports/edit_charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "emend/judge.h"
#include "report/display_text.h"
#include "report/numbers.h"
#include "report/svg.h"

namespace emend {
namespace {

constexpr std::size_t kMostRows = 40;
constexpr int kWidth = 520;

using Rows = std::vector<ChangeChart::Row>;

double mean(const Rows& rows, double ChangeChart::Row::*value) {
  double sum = 0, n = 0;
  for (const ChangeChart::Row& row : rows)
    if (std::isfinite(row.*value)) {
      sum += row.*value;
      ++n;
    }
  return sum / n;  // NaN without values: number_text prints "-"
}

std::string in_words(const Rows& rows) {
  const auto held = std::count_if(rows.begin(), rows.end(), [](const auto& row) { return row.holds; });
  return fmt::format("{} of {} hold after the edit; the mean goes from {} to {}.", held, rows.size(),
                     probability_text(mean(rows, &ChangeChart::Row::before)),
                     probability_text(mean(rows, &ChangeChart::Row::after)));
}

std::string histogram(const ChartFrame& frame, const Axis& axis, const Rows& rows) {
  constexpr std::size_t kBins = 20;
  std::vector<double> before, after;
  for (const ChangeChart::Row& row : rows) {
    before.push_back(row.before);
    after.push_back(row.after);
  }
  return histogram_svg({frame,
                        axis,
                        {"after", histogram_shares(after, 0, 1, kBins)},
                        HistogramSeries{"before", histogram_shares(before, 0, 1, kBins)}});
}

void add_chart(std::vector<TitledChart>& charts, const std::string& title, const std::string& axis_label,
               const Rows& rows) {
  if (rows.empty()) return;
  const ChartFrame frame{title, in_words(rows), kWidth};
  const Axis axis{axis_label, 0, 1};
  charts.push_back(
      {title, rows.size() <= kMostRows ? change_svg({frame, axis, rows}) : histogram(frame, axis, rows)});
}

}  // namespace

std::vector<TitledChart> answer_charts(const std::vector<FactRecord>& facts) {
  Rows prompts, paraphrases, neighbours;
  for (const FactRecord& fact : facts) {
    if (fact.status == FactStatus::kAlreadyTrue || !fact.before || !fact.after) continue;
    const EditRequest& request = fact.request;
    const FactVerdict verdict = judge(request, *fact.after);
    prompts.push_back(
        {one_line(request.id), fact.before->prompt.p_target, fact.after->prompt.p_target, verdict.holds});
    for (std::size_t i = 0; i < request.paraphrases.size(); ++i)
      paraphrases.push_back({one_line(request.paraphrases[i]), fact.before->paraphrases[i].p_target,
                             fact.after->paraphrases[i].p_target, verdict.paraphrases[i]});
    for (std::size_t i = 0; i < request.neighbours.size(); ++i)
      neighbours.push_back({one_line(request.neighbours[i].prompt), fact.before->neighbours[i].p_answer,
                            fact.after->neighbours[i].p_answer, verdict.neighbours[i].value_or(true)});
  }
  std::vector<TitledChart> charts;
  add_chart(charts, "Prompts: probability of the target", "p(target)", prompts);
  add_chart(charts, "Paraphrases: probability of the target", "p(target)", paraphrases);
  add_chart(charts, "Neighbours: probability of their own answer", "p(own answer)", neighbours);
  return charts;
}

std::vector<TitledChart> norm_charts(const std::vector<FactRecord>& facts) {
  BarChart chart;
  chart.x_label = "relative norm of the update";
  for (const FactRecord& fact : facts)
    if (fact.is_edited()) chart.rows.push_back({one_line(fact.request.id), fact.relative_norm()});
  if (chart.rows.size() < 2 || chart.rows.size() > kMostRows) return {};
  const std::string title = "Norm of each update, relative to its weights";
  chart.frame = {title, "", kWidth};
  return {{title, bar_svg(chart)}};
}

}  // namespace emend
