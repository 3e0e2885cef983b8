// emend eval compare A B
#include <iostream>

#include "base/strings.h"
#include "cli/command.h"
#include "cli/console.h"
#include "cli/options.h"
#include "emend/eval_results.h"
#include "emend/report.h"
#include "eval/results/results_file.h"
#include "pipeline/failure.h"

namespace emend {
namespace {

struct CompareOptions {
  CommonOptions common;
  std::vector<std::string> folders;
  std::int64_t draws = BootstrapOptions().draws;
};

Parsed parse_compare(const std::vector<std::string>& arguments, CompareOptions& options) {
  Syntax syntax;
  syntax.command = "eval compare";
  syntax.synopsis = "A B [--seed N] [--draws N] [--json FILE]";
  syntax.help =
      "Compares two result folders of emend eval over the records that both evaluated: each metric's "
      "difference with its "
      "95 % interval and p, by a paired bootstrap over records.";
  syntax.positional = "folder";
  syntax.positionals = 2;
  syntax.unused = {"model", "device", "dtype", "bos", "threads", "token-budget"};
  syntax.own.add_options()("folder", po::value(&options.folders))(
      "draws", po::value(&options.draws)->value_name("N")->default_value(options.draws),
      "draws of the bootstrap");
  return parse_options(syntax, arguments, options.common);
}

OtherFiles files_of(const std::vector<std::string>& folders) {
  OtherFiles others;
  for (const std::string& folder : folders)
    for (const char* name : {kSummaryFile, kRecordsFile})
      others.files.push_back(std::filesystem::path(folder) / name);
  return others;
}

}  // namespace

int eval_compare_command(const std::vector<std::string>& arguments) {
  CompareOptions options;
  if (parse_compare(arguments, options) == Parsed::kAnswered) return kExitDone;
  require_given(options.folders.size() == 2, "eval compare", "two result folders, A and B");
  require_at_least("draws", options.draws, 1);
  Console console(options.common);
  console.keep_json_apart(files_of(options.folders));
  const Comparison comparison = compare_runs(std::filesystem::path(options.folders[0]), options.folders[1],
                                             {options.common.seed, options.draws});
  for (const std::string& warning : comparison.warnings) console.warn(warning);
  std::cout << full_report(comparison, {console.columns()});
  console.write_json(to_json(comparison));
  return kExitDone;
}

}  // namespace emend
