#include "reports/convert_report.h"

#include "emend/version.h"
#include "report/numbers.h"
#include "report/table.h"

namespace emend {

std::string convert_text(const ConvertOutcome& outcome, std::size_t columns) {
  Table table({{"what", Align::kLeft, 20}, {"count", Align::kRight}});
  table.add_row({"records read", count_text(outcome.read)});
  table.add_row({"edits written", count_text(outcome.written)});
  for (const auto& [reason, count] : outcome.left_out)
    table.add_row({"records left out: " + reason, count_text(count)});
  for (const auto& [reason, count] : outcome.left_out_questions)
    table.add_row({"questions left out: " + reason, count_text(count)});
  std::string text = table.text(columns);
  for (const std::string& example : outcome.examples) text += "Left out: " + example + "\n";
  for (const std::string& sentence : outcome.notes) text += "Note: " + sentence + "\n";
  return text + "Written to " + outcome.asked.out.string() + "\n";
}

ResultJson convert_json(const ConvertOutcome& outcome) {
  return {{"emend", emend_version()},
          {"dataset", outcome.asked.dataset},
          {"input", outcome.asked.in.string()},
          {"read", outcome.read},
          {"written", outcome.written},
          {"left_out", outcome.left_out},
          {"left_out_questions", outcome.left_out_questions},
          {"examples", outcome.examples},
          {"notes", outcome.notes},
          {"outputs", ResultJson::array({outcome.asked.out.string()})}};
}

}  // namespace emend
