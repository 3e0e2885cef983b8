#include "cli/memories_analysis.h"

#include <iostream>

#include "base/strings.h"
#include "emend/error.h"
#include "emend/text_run.h"
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

std::int64_t parse_token_count(const std::string& text) {
  constexpr std::size_t kMostDigits = 15;
  if (text == "all") return kAllTokens;
  if (text.empty() || text.size() > kMostDigits ||
      text.find_first_not_of("0123456789") != std::string::npos || std::stoll(text) < 1)
    throw Error(ErrorKind::kUsage, "--tokens must be at least 1, or all, found " + quote(text));
  return std::stoll(text);
}

}  // namespace emend
