// emend export harness FROM --out DIR, emend export promptfoo EDITS.yaml --out DIR
#include <filesystem>
#include <iostream>

#include "base/files.h"
#include "cli/command.h"
#include "cli/console.h"
#include "cli/proof_commands.h"
#include "emend/harness.h"
#include "pipeline/failure.h"
#include "reports/export_report.h"

namespace emend {
namespace {

struct QuestionArguments {
  CommonOptions common;
  std::string from, out, provider = "openai:completion:edited";
};

Parsed parse_questions(Syntax& syntax, const std::vector<std::string>& arguments, QuestionArguments& asked) {
  syntax.positional = "from";
  syntax.positionals = 1;
  syntax.unused = {"model", "device", "dtype", "bos", "threads", "seed", "token-budget"};
  syntax.own.add_options()("from", po::value(&asked.from))("out", po::value(&asked.out)->value_name("DIR"),
                                                           "the folder to write");
  if (parse_options(syntax, arguments, asked.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(!asked.from.empty(), syntax.command, "what is to be exported");
  require_given(!asked.out.empty(), syntax.command, "--out DIR");
  return Parsed::kRun;
}

template <typename Export>
int write_questions(const QuestionArguments& asked, Export write) {
  Console console(asked.common);
  console.keep_json_apart({{asked.from, asked.out}, {}, {}});
  require_writable_folder(asked.out);
  const EvaluationExport outcome = write();
  std::cout << evaluation_export_text(outcome);
  console.write_json(evaluation_export_json(outcome));
  return kExitDone;
}

}  // namespace

int export_harness_command(const std::vector<std::string>& arguments) {
  QuestionArguments asked;
  Syntax syntax;
  syntax.command = "export harness";
  syntax.synopsis = "EDITS.yaml|RESULTS --out DIR";
  syntax.help =
      "For lm-evaluation-harness: the questions of an edit file as its tasks, or the results of emend eval "
      "or emend eval "
      "abilities\n(a folder) as the files that it writes.";
  if (parse_questions(syntax, arguments, asked) == Parsed::kAnswered) return kExitDone;
  return write_questions(asked, [&] {
    return std::filesystem::is_directory(asked.from) ? export_harness_results(asked.from, asked.out)
                                                     : export_harness_task(asked.from, asked.out);
  });
}

int export_promptfoo_command(const std::vector<std::string>& arguments) {
  QuestionArguments asked;
  Syntax syntax;
  syntax.command = "export promptfoo";
  syntax.synopsis = "EDITS.yaml --out DIR [--provider ID]";
  syntax.help = "The questions of an edit file as a configuration of promptfoo: DIR/promptfooconfig.yaml.";
  syntax.own.add_options()("provider",
                           po::value(&asked.provider)->value_name("ID")->default_value(asked.provider),
                           "who is asked, as promptfoo names it");
  if (parse_questions(syntax, arguments, asked) == Parsed::kAnswered) return kExitDone;
  return write_questions(asked, [&] { return export_promptfoo(asked.from, asked.out, asked.provider); });
}

}  // namespace emend
