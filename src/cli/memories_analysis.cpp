#include "cli/memories_analysis.h"

#include <iostream>

#include "pipeline/failure.h"

namespace emend {

namespace po = boost::program_options;

int run_analysis(AnalysisCommand& command, const std::vector<std::string>& arguments) {
  std::string report;
  if (command.has_page)
    command.syntax.own.add_options()("report", po::value(&report)->value_name("FILE"), "write an HTML page");
  if (parse_options(command.syntax, arguments, command.common) == Parsed::kAnswered) return kExitDone;
  const AnalysisPaths paths = command.check();
  OtherFiles others{{paths.files.begin(), paths.files.end()},
                    command.common.model,
                    {paths.folders.begin(), paths.folders.end()}};
  Console console(command.common);
  console.check_result_file("--report", report, others);
  others.files.emplace_back(report);
  console.keep_json_apart(others);
  const AnalysisShown shown = command.run(console);
  std::cout << shown.text;
  if (!report.empty()) {
    console.write_result_file(report, shown.page);
    std::cout << "Report: " << report << "\n";
  }
  console.write_json(shown.json);
  return shown.code;
}

}  // namespace emend
