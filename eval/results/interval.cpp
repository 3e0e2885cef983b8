#include "eval/results/interval.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>

#include "eval/results/metric_names.h"

namespace emend {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kNormal95 = 1.96;
constexpr std::array<const char*, 3> kScoreParts = {"efficacy_success", "paraphrase_success",
                                                    "neighbourhood_success"};
constexpr std::array<const char*, 3> kGeneratedParts = {"efficacy_generated", "paraphrase_generated",
                                                        "neighbourhood_generated"};

// `sum_of_squares` of n deviations from the mean.
double half_width(double sum_of_squares, std::int64_t n) {
  const auto count = static_cast<double>(n);
  return kNormal95 * std::sqrt(sum_of_squares / count) / std::sqrt(count);
}

using Columns = std::map<std::string, std::vector<double>>;  // metric -> one value a record, NaN for none

Columns columns_of(const std::vector<RecordResult>& records, Moment moment) {
  std::vector<const std::map<std::string, double>*> counted;
  std::set<std::string> names;
  for (const RecordResult& record : records) {
    if (!is_evaluated(record.status)) continue;
    counted.push_back(&values_of(record, moment));
    for (const auto& [name, value] : *counted.back()) names.insert(name);
  }
  Columns columns;
  for (const std::string& name : names) {
    std::vector<double>& column = columns[name];
    for (const auto* values : counted) {
      const auto found = values->find(name);
      column.push_back(found == values->end() ? kNaN : found->second);
    }
  }
  return columns;
}

std::optional<MetricSummary> score_of_columns(const Columns& columns, const std::vector<std::string>& parts) {
  std::vector<std::vector<double>> chosen;
  for (const std::string& part : parts)
    if (const auto found = columns.find(part); found != columns.end()) chosen.push_back(found->second);
  if (chosen.size() != parts.size()) return std::nullopt;
  return harmonic_mean_with_interval(chosen);
}

Interval wilson(double share, double n) {
  const double z2 = kNormal95 * kNormal95;
  const double centre = (share + z2 / (2 * n)) / (1 + z2 / n);
  const double half = kNormal95 / (1 + z2 / n) * std::sqrt(share * (1 - share) / n + z2 / (4 * n * n));
  return {std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

}  // namespace

bool leaves_its_range(const std::string& metric, const MetricSummary& figure) {
  constexpr double kRounding = 1e-12;
  if (!is_proportion(metric)) return false;
  const double low = figure.mean - figure.ci95, high = figure.mean + figure.ci95;
  const bool at_an_end = figure.ci95 <= kRounding && (low <= kRounding || high >= 1 - kRounding);
  return at_an_end || low < -kRounding || high > 1 + kRounding;
}

std::optional<Interval> interval_of(const std::string& metric, const MetricSummary& figure) {
  if (!std::isfinite(figure.mean) || !std::isfinite(figure.ci95) || figure.n < 2) return std::nullopt;
  const Interval normal{figure.mean - figure.ci95, figure.mean + figure.ci95};
  if (!leaves_its_range(metric, figure)) return normal;
  if (without_form(metric).starts_with("score") && figure.ci95 > 0)
    return Interval{std::max(0.0, normal.low), std::min(1.0, normal.high)};
  return wilson(std::clamp(figure.mean, 0.0, 1.0), static_cast<double>(figure.n));
}

MetricSummary mean_with_interval(const std::vector<double>& values) {
  MetricSummary summary{kNaN, kNaN, 0};
  double sum = 0;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    sum += value;
    ++summary.n;
  }
  if (summary.n == 0) return summary;
  summary.mean = sum / static_cast<double>(summary.n);
  double squares = 0;
  for (const double value : values)
    if (std::isfinite(value)) squares += (value - summary.mean) * (value - summary.mean);
  summary.ci95 = half_width(squares, summary.n);
  return summary;
}

double harmonic_mean(const std::vector<double>& values) {
  if (values.empty()) return kNaN;
  double sum = 0;
  for (const double value : values) {
    if (!(value >= 0)) return kNaN;
    sum += 1 / value;  // infinite for 0, and the mean is 0
  }
  return static_cast<double>(values.size()) / sum;
}

// With weights w_c = H^2 / (k m_c^2), the derivatives of H by the k column means m_c, a record's influence is
// the sum over its columns of w_c (x_c - m_c) n / n_c.
MetricSummary harmonic_mean_with_interval(const std::vector<std::vector<double>>& columns) {
  std::vector<MetricSummary> parts;
  std::vector<double> means;
  for (const std::vector<double>& column : columns) {
    parts.push_back(mean_with_interval(column));
    means.push_back(parts.back().mean);
  }
  MetricSummary summary{harmonic_mean(means), kNaN, 0};
  if (!std::isfinite(summary.mean)) return summary;
  const std::size_t rows = columns.front().size();
  std::vector<double> influence(rows, 0);
  std::vector<bool> counted(rows, false);
  for (std::size_t c = 0; c < columns.size(); ++c) {
    const double slope =
        means[c] > 0 ? std::pow(summary.mean / means[c], 2) / static_cast<double>(means.size()) : 0;
    for (std::size_t r = 0; r < rows; ++r) {
      if (!std::isfinite(columns[c][r])) continue;
      counted[r] = true;
      influence[r] += slope * (columns[c][r] - means[c]) / static_cast<double>(parts[c].n);
    }
  }
  summary.n = std::count(counted.begin(), counted.end(), true);
  double squares = 0;
  for (const double x : influence) squares += x * x * static_cast<double>(summary.n * summary.n);
  summary.ci95 = half_width(squares, summary.n);
  return summary;
}

const std::map<std::string, double>& values_of(const RecordResult& record, Moment moment) {
  return moment == Moment::kBefore ? record.base : record.metrics;
}

std::vector<std::string> score_parts() {
  return {kScoreParts.begin(), kScoreParts.end()};
}

std::vector<std::string> generated_score_parts() {
  return {kGeneratedParts.begin(), kGeneratedParts.end()};
}

std::vector<std::string> score_parts_in(PromptForm form) {
  std::vector<std::string> parts;
  for (const char* part : kScoreParts) parts.push_back(metric_in_form(form, part));
  return parts;
}

std::optional<MetricSummary> score_of_parts(const std::vector<RecordResult>& records, Moment moment,
                                            const std::vector<std::string>& parts) {
  return score_of_columns(columns_of(records, moment), parts);
}

std::map<std::string, MetricSummary> summarize_records(const std::vector<RecordResult>& records,
                                                       Moment moment) {
  const Columns columns = columns_of(records, moment);
  std::map<std::string, MetricSummary> summaries;
  for (const auto& [name, column] : columns) summaries[name] = mean_with_interval(column);
  if (const auto score = score_of_columns(columns, score_parts())) summaries["score"] = *score;
  for (const PromptForm form : {PromptForm::kRaw, PromptForm::kChat})
    if (const auto score = score_of_columns(columns, score_parts_in(form)))
      summaries[metric_in_form(form, "score")] = *score;
  return summaries;
}

}  // namespace emend
