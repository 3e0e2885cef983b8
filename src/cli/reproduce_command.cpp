// emend reproduce FILE
#include <iostream>

#include "cli/command.h"
#include "cli/console.h"
#include "cli/proof_commands.h"
#include "emend/reproduce.h"
#include "pipeline/failure.h"
#include "reports/reproduce_report.h"

namespace emend {
namespace {

// What the repeated command tells on stdout is told already: only whether it is the same matters.
void run_silently(const std::vector<std::string>& arguments) {
  std::ostream silence(nullptr);
  std::streambuf* const stdout_before = std::cout.rdbuf(silence.rdbuf());
  const std::shared_ptr<std::streambuf> restore(stdout_before, [](std::streambuf* before) {
    std::cout.rdbuf(before);
    std::cout.clear();
  });
  (arguments.front() == "edit" ? edit_command : eval_command)({arguments.begin() + 1, arguments.end()});
}

}  // namespace

int reproduce_command(const std::vector<std::string>& arguments) {
  CommonOptions common;
  std::string file, out;
  Syntax syntax;
  syntax.command = "reproduce";
  syntax.synopsis = "FILE [--model M] [--out DIR]";
  syntax.help =
      "Repeats the run that left FILE (PATCH.reproduce.json of emend edit, reproduce.json of emend eval) and "
      "compares "
      "what it\nmakes byte for byte. What has changed since is named.";
  syntax.positional = "file";
  syntax.positionals = 1;
  syntax.unused = {"device", "dtype", "bos", "threads", "seed", "token-budget"};
  syntax.own.add_options()("file", po::value(&file))("out", po::value(&out)->value_name("DIR"),
                                                     "keep what is made (default: a temporary folder)");
  if (parse_options(syntax, arguments, common) == Parsed::kAnswered) return kExitDone;
  require_given(!file.empty(), syntax.command, "the file that a run left");
  Console console(common);
  console.keep_json_apart({{file, out}, common.model, {}});
  const ReproduceOutcome outcome = reproduce(file, {common.model, out}, run_silently);
  std::cout << reproduce_text(outcome, console.columns());
  console.write_json(reproduce_json(outcome, file));
  return outcome.reproduced ? kExitDone : kExitCheckFailed;
}

}  // namespace emend
