// The program `emend`: finds the command, maps errors to exit codes.
#include <iostream>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/proof_commands.h"
#include "emend/error.h"
#include "pipeline/failure.h"

namespace {

const std::vector<emend::Command> kCommands = {
    {"edit", "change facts of a model as an edit file says, check the result, write a patch",
     emend::edit_command},
    {"generate", "continue a prompt, also with patches laid on the model", emend::generate_command},
    {"stats", "collect the second moments of the keys that edits rest on", emend::stats_command},
    {"eval", "benchmark editors", emend::eval_command},
    {"locate", "find the layers that hold a fact", emend::locate_command},
    {"patch", "look at patches, verify, write and take them back", emend::patch_command},
    {"export", "write patches as an adapter for other programs", emend::export_command},
    {"convert", "turn records of other programs into an edit file", emend::convert_command},
    {"memories", "look at feed-forward layers as key-value memories", emend::memories_command},
    {"model", "tell what a model file is, and check it", emend::model_command},
    {"init", "write a first edit file for a model", nullptr},
    {"serve", "answer over HTTP, to try an edit", nullptr},
    {"reproduce", "repeat a run and compare what it makes byte for byte", emend::reproduce_command},
};

// Results that did not reach their reader are no results.
void flush_results() {
  std::cout.flush();
  if (!std::cout) throw emend::Error(emend::ErrorKind::kIo, "cannot write to the standard output");
}

}  // namespace

int main(int argc, char** argv) {
  emend::install_interrupt_handler();
  try {
    const int code = emend::run_command("", kCommands, {argv + 1, argv + argc});
    flush_results();
    return code;
  } catch (...) {
    const emend::Failure failure = emend::describe_failure(std::current_exception());
    std::cout.flush();
    std::cerr << "emend: " << emend::with_dashes(failure.message) << std::endl;
    return failure.exit_code;
  }
}
