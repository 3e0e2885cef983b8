// emend reproduce FILE
#include <iostream>
#include <memory>

#include "cli/command.h"
#include "cli/command_frame.h"
#include "emend/reproduce.h"
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
  std::filesystem::path file, out;
  CommandFrame frame(
      "reproduce", "FILE [--model M] [--out DIR]",
      "Repeats the run that left FILE (PATCH.reproduce.json of emend edit, reproduce.json of emend eval) and "
      "compares what it\nmakes byte for byte. What has changed since is named.",
      {"device", "dtype", "bos", "threads", "seed", "token-budget"});
  frame.syntax.examples = {"reproduce out/eiffel.reproduce.json"};
  frame.options.argument("file", file, "the file that a run left", Use::kReads)
      .text("out", out, "DIR", "keep what is made (default: a temporary folder)", Use::kReads);
  return frame.run(arguments, [&](Console& console) {
    const ReproduceOutcome outcome = reproduce(file, {frame.common.model, out}, run_silently);
    frame.show(console, reproduce_text(outcome, console.columns()), reproduce_json(outcome, file));
    return outcome.reproduced ? kExitDone : kExitCheckFailed;
  });
}

}  // namespace emend
