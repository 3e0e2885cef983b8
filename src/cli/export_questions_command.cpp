// emend export harness FROM --out DIR, emend export promptfoo EDITS.yaml --out DIR
#include <filesystem>
#include <string>

#include "cli/command.h"
#include "cli/command_frame.h"
#include "emend/harness.h"
#include "reports/export_report.h"

namespace emend {
namespace {

struct QuestionArguments {
  std::filesystem::path from, out;
};

void add_question_options(CommandFrame& frame, QuestionArguments& asked) {
  frame.options
      .argument("from", asked.from, "what is to be exported", Use::kReads)
      // As what is read is: no other file goes into the folder.
      .text("out", asked.out, "DIR", "the folder to write", Use::kReads | Use::kNeeded);
}

int show_export(CommandFrame& frame, const EvaluationExport& outcome, Console& console) {
  return frame.show(console, evaluation_export_text(outcome), evaluation_export_json(outcome));
}

}  // namespace

int export_harness_command(const std::vector<std::string>& arguments) {
  QuestionArguments asked;
  CommandFrame frame(
      "export harness", "EDITS.yaml|RESULTS --out DIR",
      "For lm-evaluation-harness: the questions of an edit file as its tasks, or the results of "
      "emend eval or emend eval\nabilities (a folder) as the files that it writes.",
      kWithoutModel);
  frame.syntax.examples = {"export harness examples/eiffel.yaml --out tasks"};
  add_question_options(frame, asked);
  return frame.run(arguments, [&](Console& console) {
    require_writable_folder(asked.out);
    return show_export(frame,
                       std::filesystem::is_directory(asked.from)
                           ? export_harness_results(asked.from, asked.out)
                           : export_harness_task(asked.from, asked.out),
                       console);
  });
}

int export_promptfoo_command(const std::vector<std::string>& arguments) {
  QuestionArguments asked;
  std::string provider = "openai:completion:edited", url;
  CommandFrame frame(
      "export promptfoo", "EDITS.yaml --out DIR [--provider ID] [--url URL]",
      "The questions of an edit file as a configuration of promptfoo: DIR/promptfooconfig.yaml.",
      kWithoutModel);
  frame.syntax.examples = {
      "export promptfoo examples/eiffel.yaml --out checks",
      "export promptfoo examples/eiffel.yaml --out checks --provider openai:completion:eiffel --url "
      "http://127.0.0.1:8080/v1"};
  add_question_options(frame, asked);
  frame.options.text("provider", provider, "ID", "who is asked, as promptfoo names it")
      .text("url", url, "URL", "where the server of an openai provider is, as emend serve says it");
  return frame.run(arguments, [&](Console& console) {
    require_writable_folder(asked.out);
    return show_export(frame, export_promptfoo(asked.from, asked.out, provider, url), console);
  });
}

}  // namespace emend
