// emend patch verify --model M --patch P...
#include <iostream>

#include "cli/command.h"
#include "cli/load_model.h"
#include "emend/patch_run.h"
#include "emend/report.h"
#include "pipeline/failure.h"
#include "reports/patch_report.h"

namespace emend {
namespace {

struct VerifyArguments {
  CommonOptions common;
  std::vector<std::string> patches;
  std::string junit;
};

Parsed parse_verify(const std::vector<std::string>& arguments, VerifyArguments& options) {
  Syntax syntax;
  syntax.command = "patch verify";
  syntax.synopsis = "--model M --patch P...";
  syntax.unused = {"bos", "seed"};
  syntax.help =
      "Loads the model anew, lays the patches on it in the order given, measures every fact and check again "
      "and "
      "compares with what the patches say.";
  syntax.own.add_options()("patch",
                           po::value(&options.patches)->multitoken()->composing()->value_name("FILE"),
                           "the patches, in the order in which they stack")(
      "junit", po::value(&options.junit)->value_name("FILE"), "write edits and checks as JUnit XML");
  if (parse_options(syntax, arguments, options.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(!options.common.model.empty(), "patch verify", "--model PATH");
  require_given(!options.patches.empty(), "patch verify", "--patch FILE");
  return Parsed::kRun;
}

}  // namespace

int patch_verify_command(const std::vector<std::string>& arguments) {
  VerifyArguments options;
  if (parse_verify(arguments, options) == Parsed::kAnswered) return kExitDone;
  Console console(options.common);
  const OtherFiles others{{options.patches.begin(), options.patches.end()}, options.common.model, {}};
  console.keep_json_apart(others);
  console.check_result_file("--junit", options.junit, others);
  const std::vector<NamedPatch> patches = load_patches(others.files);
  Model model = load_model(options.common.model, options.common, console);
  fit_token_budget(model, options.common, console);
  const VerifyOutcome outcome =
      verify_patches(model, patches, {options.common.token_budget}, console.progress());
  std::cout << full_report(outcome, {console.columns()});
  if (!options.junit.empty()) console.write_result_file(options.junit, junit_xml(verify_suites(outcome)));
  console.write_json(to_json(outcome, model));
  return outcome.passed ? kExitDone : kExitCheckFailed;
}

}  // namespace emend
