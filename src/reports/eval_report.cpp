#include "reports/eval_report.h"

#include <utility>

#include "base/atomic_file.h"
#include "base/strings.h"
#include "eval/results/results_file.h"
#include "report/markdown.h"
#include "report/numbers.h"
#include "reports/eval_curve.h"
#include "reports/eval_page.h"
#include "reports/eval_tables.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

// The parts of the time that grow with the records, and those that come once.
constexpr const char* kOfRecords[] = {"search", "solve", "evaluation"};
constexpr const char* kOnce[] = {"load", "statistics"};

double seconds_of(const EvalSummary& summary, const char* part) {
  const auto found = summary.seconds.find(part);
  return found == summary.seconds.end() ? 0 : found->second;
}

template <typename Parts>
std::string parts_text(const EvalSummary& summary, const Parts& parts) {
  std::vector<std::string> texts;
  for (const char* part : parts)
    texts.push_back(std::string(part).append(" ").append(human_seconds(seconds_of(summary, part))));
  return join(texts);
}

// Of search, solve and evaluation together; 0 if no time was spent.
double records_per_minute(const EvalSummary& summary) {
  double seconds = 0;
  for (const char* part : kOfRecords) seconds += seconds_of(summary, part);
  return seconds > 0 ? 60 * static_cast<double>(summary.records) / seconds : 0;
}

// "rome: 100 records, 25 a minute: search 201 s, solve 12 s, evaluation 28 s; besides load 1 s, statistics 40
// s".
std::string time_text(const EvalSummary& summary) {
  return summary.name() + ": " + counted(summary.records, "record") + ", " +
         number_text(records_per_minute(summary), 3) + " a minute: " + parts_text(summary, kOfRecords) +
         "; besides " + parts_text(summary, kOnce);
}

std::vector<EvalSummary> summaries_of(const BenchmarkOutcome& outcome) {
  std::vector<EvalSummary> summaries;
  for (const EvalResults& method : outcome.methods) summaries.push_back(method.summary);
  return summaries;
}

std::string provenance_section(const EvalSummary& run) {
  std::string text = "## How it was made: " + markdown_text(run.name()) + "\n\n";
  for (const auto& [name, value] : provenance(run)) text += "- " + name + ": " + markdown_text(value) + "\n";
  for (const std::string& note : run.notes) text += "- note: " + markdown_text(note) + "\n";
  return text;
}

}  // namespace

std::string eval_report(const BenchmarkOutcome& outcome, std::size_t columns) {
  std::string text = summary_text(summaries_of(outcome), columns);
  if (!outcome.left_out.empty()) text += "\nLeft out of the data, for example:\n";
  for (const std::string& example : outcome.left_out) text += "  " + example + "\n";
  text += "\nTime\n";
  for (const EvalResults& method : outcome.methods) text += "  " + time_text(method.summary) + "\n";
  return text;
}

nlohmann::ordered_json eval_json(const BenchmarkOutcome& outcome) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const EvalResults& method : outcome.methods) {
    json.push_back(summary_to_json(method.summary));
    json.back()["records_per_minute"] = records_per_minute(method.summary);
  }
  return json;
}

std::string eval_markdown(const std::vector<EvalSummary>& runs) {
  std::string text = "# Results of the benchmark\n";
  std::vector<SummarySection> sections = summary_sections(runs);
  for (SummarySection& section : curve_sections(runs)) sections.push_back(std::move(section));
  for (const SummarySection& section : sections)
    text += "\n## " + markdown_text(section.title) + "\n\n" + markdown_table(section.columns, section.rows) +
            "\n" + markdown_text(section.note) + "\n";
  for (const EvalSummary& run : runs) text.append("\n").append(provenance_section(run));
  return text;
}

std::vector<fs::path> write_eval_reports(const BenchmarkOutcome& outcome) {
  const fs::path page = outcome.out / kHtmlReport, markdown = outcome.out / kMarkdownReport;
  write_file_atomically(markdown, eval_markdown(summaries_of(outcome)));
  write_file_atomically(page, eval_page(outcome.methods));
  return {page, markdown};
}

}  // namespace emend
