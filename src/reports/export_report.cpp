#include "reports/export_report.h"

#include <fmt/format.h>

#include "emend/version.h"
#include "pipeline/result_json.h"
#include "report/numbers.h"

namespace emend {

std::string evaluation_export_text(const EvaluationExport& outcome) {
  std::string text;
  for (const std::filesystem::path& file : outcome.files) text += file.string() + "\n";
  text += fmt::format("{} {}.\n", count_text(outcome.questions),
                      outcome.questions == 1 ? "question" : "questions");
  for (const auto& [reason, count] : outcome.left_out)
    text += fmt::format("{} left out: {}.\n", count_text(count), reason);
  for (const std::string& note : outcome.notes) text += note + "\n";
  return text;
}

ResultJson evaluation_export_json(const EvaluationExport& outcome) {
  return {{"emend", emend_version()},
          {"outputs", paths_json(outcome.files)},
          {"questions", outcome.questions},
          {"left_out", outcome.left_out},
          {"notes", outcome.notes}};
}

}  // namespace emend
