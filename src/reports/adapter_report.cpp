#include "reports/adapter_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "emend/version.h"
#include "pipeline/result_json.h"
#include "report/display_text.h"
#include "report/numbers.h"
#include "report/table.h"

namespace emend {

std::string subjects_line(const std::string& label, const std::vector<std::string>& subjects) {
  constexpr std::size_t kMost = 12;
  std::vector<std::string> named;
  for (std::size_t i = 0; i < std::min(kMost, subjects.size()); ++i) named.push_back(one_line(subjects[i]));
  if (subjects.size() > kMost) named.push_back(fmt::format("and {} more", subjects.size() - kMost));
  return label + (named.empty() ? "none" : join(named)) + "\n";
}

std::string adapter_text(const AdapterOutcome& outcome, std::size_t columns) {
  Table table({{"weight", Align::kLeft, 20},
               {"layer", Align::kRight},
               {"rank", Align::kRight},
               {"norm", Align::kRight},
               {"difference", Align::kRight}});
  for (const ExportedModule& module : outcome.modules)
    table.add_row({module.name, std::to_string(module.block), std::to_string(module.rank),
                   number_text(module.norm), number_text(module.difference)});
  return "Written: " + outcome.written.string() + "\n\n" + table.text(columns) +
         "Difference: of the adapter's product from the edit, read back from the file. Layers count from "
         "0.\n" +
         subjects_line("Subjects: ", outcome.subjects) +
         "Whoever has the adapter can find them out: its rows are made of their keys.\n";
}

ResultJson adapter_json(const AdapterOutcome& outcome, const Model& model) {
  ResultJson list = ResultJson::array();
  for (const ExportedModule& module : outcome.modules)
    list.push_back({{"name", module.name},
                    {"layer", module.block},
                    {"rank", module.rank},
                    {"norm", module.norm},
                    {"difference", module.difference}});
  return {{"emend", emend_version()}, {"model", model_json(model)},   {"path", outcome.written.string()},
          {"modules", list},          {"subjects", outcome.subjects}, {"warnings", outcome.warnings},
          {"passed", outcome.exact}};
}

}  // namespace emend
