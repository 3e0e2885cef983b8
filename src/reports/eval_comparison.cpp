#include "reports/eval_comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "base/strings.h"
#include "eval/results/metric_names.h"
#include "report/display_text.h"
#include "report/numbers.h"
#include "report/table.h"
#include "reports/eval_tables.h"

namespace emend {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::string value_text(const std::string& metric, double value, bool with_sign = false) {
  if (!std::isfinite(value)) return "-";
  const std::string text = is_share(metric) ? figure_text(metric, {value, kNaN, 1}) : number_text(value, 4);
  const bool is_zero = text.find_first_of("123456789") == std::string::npos;
  return with_sign && value > 0 && !is_zero ? "+" + text : text;
}

std::string interval_text(const std::string& metric, const PairedDifference& values) {
  std::string text = "[";
  text += value_text(metric, values.low, true) + ", " + value_text(metric, values.high, true);
  return text + "]";
}

// "3 records are only in A: x, y, z"; empty for none.
std::string only_text(const std::vector<std::string>& ids, const std::string& name) {
  constexpr std::size_t kShown = 10;
  if (ids.empty()) return "";
  const std::vector<std::string> shown(
      ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, ids.size())));
  return count_text(static_cast<std::int64_t>(ids.size())) +
         (ids.size() == 1 ? " record is" : " records are") + " evaluated in " + name +
         " only: " + join(shown) + (ids.size() > kShown ? ", ..." : "") + "\n";
}

// The columns of a comparison.
const std::vector<TableColumn> kHeads = {{"metric"},
                                         {"A", Align::kRight},
                                         {"B", Align::kRight},
                                         {"B - A", Align::kRight},
                                         {"95 % interval", Align::kRight},
                                         {"p", Align::kRight},
                                         {"n", Align::kRight}};

std::vector<std::string> cells_of(const ComparedMetric& compared) {
  const PairedDifference& values = compared.values;
  return {metric_label(compared.metric),
          value_text(compared.metric, values.a),
          value_text(compared.metric, values.b),
          value_text(compared.metric, values.difference, true),
          values.n == 0 ? "-" : interval_text(compared.metric, values),
          number_text(values.p, 2),
          count_text(values.n)};
}

// The points of the curves; empty for runs without.
std::string curve_text(const Comparison& comparison, std::size_t columns) {
  if (comparison.curve.empty()) return "";
  std::vector<TableColumn> heads = kHeads;
  heads.insert(heads.begin(), TableColumn{"edits", Align::kRight});
  Table table(heads);
  for (const ComparedPoint& point : comparison.curve)
    for (const ComparedMetric& compared : point.metrics) {
      std::vector<std::string> cells = cells_of(compared);
      cells.insert(cells.begin(), count_text(point.edits));
      table.add_row(cells);
    }
  return "\nAlong the sequence, over all records so far:\n" + table.text(columns);
}

// "rome (results/rome)"; a folder that stands for its label is not said twice.
std::string run_text(const std::string& name, const std::filesystem::path& folder) {
  if (folder.empty() || name == folder.string()) return one_line(name);
  return one_line(fmt::format("{} ({})", name, folder.string()));
}

nlohmann::ordered_json metrics_json(const std::vector<ComparedMetric>& compared) {
  nlohmann::ordered_json metrics = nlohmann::ordered_json::object();
  for (const auto& [metric, values] : compared)
    metrics[metric] = {{"a", values.a},     {"b", values.b},       {"difference", values.difference},
                       {"low", values.low}, {"high", values.high}, {"p", values.p},
                       {"n", values.n}};
  return metrics;
}

}  // namespace

std::string comparison_report(const Comparison& comparison, std::size_t columns) {
  Table table(kHeads);
  for (const ComparedMetric& compared : comparison.metrics) table.add_row(cells_of(compared));
  std::string text = "A: " + run_text(comparison.name_a, comparison.folder_a) +
                     "\nB: " + run_text(comparison.name_b, comparison.folder_b) + "\n\n" +
                     table.text(columns) + "\n";
  text += count_text(comparison.shared) + " records are in both. Paired bootstrap over records, " +
          count_text(comparison.bootstrap.draws) + " draws, seed " +
          std::to_string(comparison.bootstrap.seed) +
          "; p is two-sided and not corrected for the number of metrics.\n";
  return text + only_text(comparison.only_a, "A") + only_text(comparison.only_b, "B") +
         curve_text(comparison, columns);
}

nlohmann::ordered_json comparison_json(const Comparison& comparison) {
  nlohmann::ordered_json json = {{"a", comparison.name_a},
                                 {"b", comparison.name_b},
                                 {"folder_a", comparison.folder_a.string()},
                                 {"folder_b", comparison.folder_b.string()},
                                 {"shared", comparison.shared},
                                 {"only_a", comparison.only_a},
                                 {"only_b", comparison.only_b},
                                 {"draws", comparison.bootstrap.draws},
                                 {"seed", comparison.bootstrap.seed},
                                 {"metrics", metrics_json(comparison.metrics)},
                                 {"warnings", comparison.warnings}};
  for (const ComparedPoint& point : comparison.curve)
    json["curve"].push_back({{"edits", point.edits}, {"metrics", metrics_json(point.metrics)}});
  return json;
}

}  // namespace emend
