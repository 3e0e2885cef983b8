#include "reports/eval_tables.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "base/strings.h"
#include "eval/results/interval.h"
#include "eval/results/metric_names.h"
#include "report/display_text.h"
#include "report/numbers.h"
#include "report/table.h"

namespace emend {
namespace {

constexpr const char* kUnedited = "unedited";
constexpr const char* kNothing = "-";

std::string fixed(double value, int decimals) {
  std::array<char, 400> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.*f", decimals, value);
  const std::string text = buffer.data();
  return text.find_first_of("123456789") == std::string::npos && text.starts_with('-') ? text.substr(1)
                                                                                       : text;
}

std::string with_interval(const std::string& mean, const std::string& half_width) {
  return mean + " ± " + half_width;
}

// As many digits as the interval makes meaningful.
std::string plain_figure(double mean, double half_width) {
  if (!(half_width > 0)) return number_text(mean, 4);
  if (half_width < 1e-5) return with_interval(number_text(mean, 3), number_text(half_width, 2));
  const int decimals = std::clamp(1 - static_cast<int>(std::floor(std::log10(half_width))), 0, 6);
  return with_interval(fixed(mean, decimals), fixed(half_width, decimals));
}

bool is_question_metric(const std::string& metric) {
  for (const char* question : kQuestions)
    for (const std::string& name : question_metrics(question))
      if (name == metric) return true;
  return false;
}

using NamedFigure = std::pair<std::string, const MetricSummary*>;  // nullptr: not measured

// "200", or "200, 198" where figures differ.
std::string counts_text(const std::vector<NamedFigure>& figures) {
  std::vector<std::string> counts;
  for (const auto& [metric, figure] : figures) {
    const std::string count = figure == nullptr ? "" : count_text(figure->n);
    if (!count.empty() && std::find(counts.begin(), counts.end(), count) == counts.end())
      counts.push_back(count);
  }
  return counts.empty() ? kNothing : join(counts);
}

// A name, figures, and over how many records they are.
std::vector<std::string> figures_row(const std::string& name, const std::vector<NamedFigure>& figures) {
  std::vector<std::string> row = {name};
  for (const auto& [metric, figure] : figures)
    row.push_back(figure == nullptr ? kNothing : figure_text(metric, *figure));
  row.push_back(counts_text(figures));
  return row;
}

SummarySection questions_section(const std::vector<EvalSummary>& runs) {
  SummarySection section;
  section.title = "Edited facts, other wordings, neighbours";
  section.note =
      "In percent, ± half the width of the 95 % interval of the mean over n records (where that leaves 0 to "
      "100, and where all records agree, Wilson's interval; of one record none is known). success: the "
      "expected "
      "answer is "
      "likelier than the other one; argmax: it is the greedy continuation under teacher forcing; generated: "
      "free greedy "
      "text begins with it; magnitude: difference of the two probabilities. Of neighbours the expected "
      "answer is their "
      "own.";
  section.columns = {"", "success", "argmax", "generated", "magnitude", "n"};
  const std::vector<std::string> there = metric_names(runs);
  for (const std::string question : kQuestions) {
    const std::vector<std::string> own = question_metrics(question);
    if (std::find_first_of(there.begin(), there.end(), own.begin(), own.end()) == there.end()) continue;
    const auto row = [&](const std::string& name, const auto& find) {
      std::vector<NamedFigure> figures;
      for (const std::string& metric : own) figures.emplace_back(metric, find(metric));
      section.rows.push_back(figures_row(name, figures));
    };
    section.rows.push_back({question});
    row(kUnedited, [&](const std::string& metric) { return find_base_figure(runs, metric); });
    for (const EvalSummary& run : runs)
      row(run.name(), [&](const std::string& metric) { return find_figure(run.metrics, metric); });
  }
  return section;
}

std::vector<std::string> names_of(const std::vector<EvalSummary>& runs) {
  std::vector<std::string> names;
  for (const EvalSummary& run : runs) names.push_back(run.name());
  return names;
}

SummarySection others_section(const std::vector<EvalSummary>& runs) {
  SummarySection section;
  section.title = "Other metrics";
  section.note =
      "score: harmonic mean of the three successes; fluency: n-gram entropy in bits; "
      "consistency: cosine with "
      "reference texts, 0 to 1; drift against the unedited model. docs/evaluation.md defines them.";
  section.columns = {"metric", kUnedited};
  for (const std::string& name : names_of(runs)) section.columns.push_back(name);
  section.columns.emplace_back("n");
  for (const std::string& metric : metric_names(runs)) {
    if (is_question_metric(metric) || is_form_metric(metric) || form_of_metric(metric)) continue;
    std::vector<NamedFigure> figures = {{metric, find_base_figure(runs, metric)}};
    for (const EvalSummary& run : runs) figures.emplace_back(metric, find_figure(run.metrics, metric));
    section.rows.push_back(figures_row(metric_label(metric), figures));
  }
  return section;
}

// Empty if one form alone was asked.
SummarySection both_forms_section(const std::vector<EvalSummary>& runs) {
  SummarySection section;
  section.title = "Both forms side by side";
  section.note =
      "The same questions in the chat form and in the raw form, whichever of them the edits were made in. "
      "generated: the free text begins with the answer; natural: the model ends its text itself, and the "
      "text "
      "is the answer and nothing else.";
  section.columns = {"", "chat form", "raw form", "n"};
  for (const std::string& other : metric_names(runs)) {
    const std::optional<PromptForm> form = form_of_metric(other);
    if (!form) continue;
    const std::string metric = without_form(other);
    const auto row = [&](const std::string& name, const MetricSummary* own, const MetricSummary* its) {
      const bool chat_first = *form == PromptForm::kRaw;
      section.rows.push_back(
          figures_row(name, {{metric, chat_first ? own : its}, {metric, chat_first ? its : own}}));
    };
    section.rows.push_back({metric_label(metric)});
    if (const MetricSummary* base = find_base_figure(runs, other))
      row(kUnedited, find_base_figure(runs, metric), base);
    for (const EvalSummary& run : runs)
      row(run.name(), find_figure(run.metrics, metric), find_figure(run.metrics, other));
  }
  return section;
}

// Empty if no form was asked for.
SummarySection forms_section(const std::vector<EvalSummary>& runs) {
  SummarySection section;
  section.title = "Forms, built from a template";
  section.note =
      "The facts in wordings of their relations that the data set does not have, in percent: the notes say "
      "at how "
      "many records each form was built. chance: answers drawn at random. Of negation and same-subject, "
      "generated "
      "is the share of free texts that do not begin with the target. docs/forms.md defines them.";
  section.columns = {"metric", "chance", kUnedited};
  for (const std::string& name : names_of(runs)) section.columns.push_back(name);
  section.columns.emplace_back("n");
  for (const std::string& metric : metric_names(runs)) {
    if (!is_form_metric(metric)) continue;
    std::vector<NamedFigure> figures = {{metric, find_base_figure(runs, metric)}};
    for (const EvalSummary& run : runs) figures.emplace_back(metric, find_figure(run.metrics, metric));
    std::vector<std::string> row = figures_row(metric_label(metric), figures);
    const std::optional<double> chance = chance_of_form(metric);
    row.insert(row.begin() + 1, chance ? fixed(*chance * 100, 1) : kNothing);
    section.rows.push_back(std::move(row));
  }
  return section;
}

SummarySection records_section(const std::vector<EvalSummary>& runs) {
  SummarySection section;
  section.title = "Records";
  section.note =
      "Evaluated records make up the means, failed edits among them; the others are left out for the reason "
      "named.";
  section.columns = {""};
  for (const std::string& name : names_of(runs)) section.columns.push_back(name);
  std::set<std::string> reasons;
  std::vector<std::string> evaluated = {"evaluated"};
  for (const EvalSummary& run : runs) {
    evaluated.push_back(count_text(run.records));
    for (const auto& [reason, count] : run.skipped) reasons.insert(reason);
  }
  section.rows.push_back(evaluated);
  if (std::any_of(runs.begin(), runs.end(),
                  [](const EvalSummary& run) { return run.failed.value_or(0) > 0; })) {
    std::vector<std::string> row = {"of them failed"};
    for (const EvalSummary& run : runs) row.push_back(run.failed ? count_text(*run.failed) : kNothing);
    section.rows.push_back(row);
  }
  for (const std::string& reason : reasons) {
    std::vector<std::string> row = {"left out: " + reason};
    for (const EvalSummary& run : runs) {
      const auto found = run.skipped.find(reason);
      row.push_back(count_text(found == run.skipped.end() ? 0 : found->second));
    }
    section.rows.push_back(row);
  }
  return section;
}

std::string section_text(const SummarySection& section, std::size_t columns) {
  std::vector<TableColumn> header;
  for (const std::string& name : section.columns)
    header.push_back(
        {name, header.empty() ? Align::kLeft : Align::kRight, header.empty() ? std::size_t{16} : 0});
  const bool grouped =
      std::any_of(section.rows.begin(), section.rows.end(), [](const auto& r) { return r.size() == 1; });
  Table table(header);
  for (std::vector<std::string> row : section.rows) {
    if (grouped && row.size() > 1) row.front() = "  " + row.front();
    table.add_row(row);
  }
  return table.text(columns);
}

std::string paragraph(const std::string& text, std::size_t columns) {
  std::string lines;
  for (const std::string& line :
       wrap_to_width(text, columns == 0 ? 100 : std::min<std::size_t>(columns, 100)))
    lines += line + "\n";
  return lines;
}

std::string with_fingerprint(const std::string& path, const std::string& fingerprint) {
  return fingerprint.empty() ? path : path + ", fingerprint " + fingerprint;
}

std::string options_text(const std::map<std::string, std::string>& options) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : options) parts.push_back(name + ": " + value);
  return join(parts);
}

std::string seconds_text(const std::map<std::string, double>& seconds) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : seconds) parts.push_back(name + " " + human_seconds(value));
  return join(parts);
}

}  // namespace

std::string metric_label(const std::string& metric) {
  return is_share(metric) ? metric + ", %" : metric;
}

std::string figure_text(const std::string& metric, const MetricSummary& figure) {
  if (!std::isfinite(figure.mean)) return kNothing;
  const std::optional<Interval> interval = interval_of(metric, figure);
  if (!is_share(metric)) return plain_figure(figure.mean, interval ? figure.ci95 : 0);
  const std::string mean = fixed(100 * figure.mean, 1);
  if (!interval) return std::isfinite(figure.ci95) ? with_interval(mean, "?") : mean;
  if (leaves_its_range(metric, figure))
    return mean + " (" + fixed(100 * interval->low, 1) + " to " + fixed(100 * interval->high, 1) + ")";
  return with_interval(mean, fixed(100 * figure.ci95, 1));
}

std::vector<SummarySection> summary_sections(const std::vector<EvalSummary>& runs) {
  std::vector<SummarySection> sections = {questions_section(runs), both_forms_section(runs),
                                          forms_section(runs), others_section(runs), records_section(runs)};
  std::erase_if(sections, [](const SummarySection& section) { return section.rows.empty(); });
  return sections;
}

std::string summary_text(const std::vector<EvalSummary>& runs, std::size_t columns) {
  std::string text;
  for (const SummarySection& section : summary_sections(runs)) {
    if (!text.empty()) text += "\n";
    text += section.title + "\n" + section_text(section, columns) + paragraph(section.note, columns);
  }
  std::set<std::string> said;
  for (const EvalSummary& run : runs)
    for (const std::string& note : run.notes)
      if (said.insert(note).second)
        text.append(said.size() == 1 ? "\n" : "").append(paragraph("Note: " + note, columns));
  return text;
}

std::vector<std::pair<std::string, std::string>> provenance(const EvalSummary& summary) {
  const std::string statistics = summary.statistics_fingerprint.empty()
                                     ? "none (C = I)"
                                     : "fingerprint " + summary.statistics_fingerprint;
  std::vector<std::pair<std::string, std::string>> facts = {
      {"data set",
       summary.dataset + (summary.data_path.empty()
                              ? ""
                              : ", " + with_fingerprint(summary.data_path, summary.data_fingerprint))},
      {"model", with_fingerprint(summary.model_path, summary.model_fingerprint)},
      {"family", summary.family},
      {"method", summary.method},
      {"options", options_text(summary.options)},
      {"mode", summary.mode},
      {"statistics", statistics},
      {"seed", std::to_string(summary.seed)},
      {"token budget", count_text(summary.token_budget)},
      {"type, device", to_string_or_empty(summary.dtype) + ", " + to_string(summary.devices)},
      {"emend", summary.emend},
      {"time", seconds_text(summary.seconds)},
  };
  for (auto& [name, value] : facts)
    if (value.empty()) value = "none";
  return facts;
}

}  // namespace emend
