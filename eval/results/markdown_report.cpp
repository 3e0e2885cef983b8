#include "eval/results/markdown_report.h"

#include "eval/results/provenance.h"
#include "eval/results/summary_table.h"
#include "report/markdown.h"

namespace emend {
namespace {

std::string provenance_section(const EvalSummary& run) {
  std::string text = "## How it was made: " + markdown_text(run_name(run)) + "\n\n";
  for (const auto& [name, value] : provenance(run)) text += "- " + name + ": " + markdown_text(value) + "\n";
  for (const std::string& note : run.notes) text += "- note: " + markdown_text(note) + "\n";
  return text;
}

}  // namespace

std::string markdown_report(const std::vector<EvalSummary>& runs) {
  std::string text = "# Results of emend eval\n";
  for (const SummarySection& section : summary_sections(runs))
    text += "\n## " + markdown_text(section.title) + "\n\n" + markdown_table(section.columns, section.rows) +
            "\n" + markdown_text(section.note) + "\n";
  for (const EvalSummary& run : runs) text.append("\n").append(provenance_section(run));
  return text;
}

}  // namespace emend
