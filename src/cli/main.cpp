// The program `emend`: finds the command, maps errors to exit codes.
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "cli/command.h"
#include "console/hints.h"
#include "console/interrupt.h"
#include "emend/error.h"
#include "model/processor_share.h"
#include "pipeline/failure.h"

namespace {

// What to do first, for whoever calls the program without a command.
constexpr const char* kFirstSteps =
    R"(emend changes facts inside a language model, a safetensors folder or a .gguf file. First steps:
  emend model check MODEL                            does emend work with this model?
  emend generate "PROMPT" --model MODEL              what does the model say?
  emend init MODEL --out FILE.yaml                   write a first edit file for this model
  emend edit FILE.yaml --dry-run                     which layers would an edit file change, at what cost?
  emend edit FILE.yaml --out DIR                     edit, check the edited model, write a patch
  emend generate "PROMPT" --model MODEL --patch P    what does the edited model say?
  emend patch apply --model MODEL --patch P --out NEW    write an edited checkpoint
FILE.yaml names the facts: examples/eiffel.yaml is one, docs/formats.md has all its keys.
emend help lists the commands, and emend help COMMAND tells the options of one.
)";

// Results that did not reach their reader are no results.
void flush_results() {
  std::cout.flush();
  if (!std::cout) throw emend::Error(emend::ErrorKind::kIo, "cannot write to the standard output");
}

int run(const std::vector<std::string>& arguments) {
  try {
    const int code = emend::run_command("", emend::program_commands(), arguments);
    flush_results();
    return code;
  } catch (...) {
    const emend::Failure failure = emend::describe_failure(std::current_exception());
    std::cout.flush();
    std::cerr << "emend: " << emend::with_hints(failure.message) << std::endl;
    return failure.exit_code;
  }
}

}  // namespace

// All results are written and all files closed when run() returns. A return from main would have libtorch
// undo its registrations one by one, which takes a third as long as loading it; a search for leaks needs that
// return.
int main(int argc, char** argv) {
  emend::install_interrupt_handler(emend::kExitInterrupted);
  const emend::ProcessorShare share;
  if (argc < 2) std::cerr << kFirstSteps << "\n";
  const int code = run({argv + 1, argv + argc});
#ifndef __SANITIZE_ADDRESS__
  std::fflush(nullptr);
  std::_Exit(code);
#endif
  return code;
}
