#include "cli/eval_report.h"

#include <iostream>

#include "base/atomic_file.h"
#include "base/strings.h"
#include "eval/results/html_report.h"
#include "eval/results/markdown_report.h"
#include "eval/results/results_file.h"
#include "eval/results/summary_table.h"
#include "report/numbers.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

// The parts that grow with the records, and those that come once.
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

}  // namespace

double records_per_minute(const EvalSummary& summary) {
  double seconds = 0;
  for (const char* part : kOfRecords) seconds += seconds_of(summary, part);
  return seconds > 0 ? 60 * static_cast<double>(summary.records) / seconds : 0;
}

std::string time_text(const EvalSummary& summary) {
  return run_name(summary) + ": " + count_text(summary.records) + " records, " +
         number_text(records_per_minute(summary), 3) + " a minute: " + parts_text(summary, kOfRecords) +
         "; besides " + parts_text(summary, kOnce);
}

void report_eval(const BenchmarkOutcome& outcome, Console& console) {
  const fs::path& out = outcome.out;
  const std::vector<std::string>& left_out = outcome.left_out;
  const std::vector<EvalResults>& runs = outcome.methods;
  std::vector<EvalSummary> summaries;
  ResultJson json = ResultJson::array();
  for (const EvalResults& run : runs) {
    summaries.push_back(run.summary);
    json.push_back(summary_to_json(summaries.back()));
    json.back()["records_per_minute"] = records_per_minute(summaries.back());
  }
  write_file_atomically(out / "report.md", markdown_report(summaries));
  write_file_atomically(out / "report.html", html_report(runs));
  std::cout << summary_text(summaries, console.columns());
  if (!left_out.empty()) std::cout << "\nLeft out of the data, for example:\n";
  for (const std::string& example : left_out) std::cout << "  " << example << "\n";
  std::cout << "\nTime\n";
  for (const EvalSummary& summary : summaries) std::cout << "  " << time_text(summary) << "\n";
  std::cout << "Reports: " << (out / "report.html").string() << ", " << (out / "report.md").string() << "\n";
  console.write_json(json);
}

}  // namespace emend
