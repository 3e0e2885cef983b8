// emend model info, check and inspect.
#include <fmt/format.h>

#include <iostream>
#include <optional>
#include <string>
#include <utility>

#include "cli/command.h"
#include "cli/command_frame.h"
#include "console/hints.h"
#include "emend/error.h"
#include "emend/model_check.h"
#include "emend/model_summary.h"
#include "emend/patch_run.h"
#include "emend/report.h"
#include "io/model_path.h"
#include "pipeline/subject_questions.h"
#include "reports/check_report.h"

namespace emend {
namespace {

int info(const std::vector<std::string>& arguments) {
  CommandFrame frame("model info", "PATH",
                     "Says what a model file is: family, shape, parameters by part, tokenizer.",
                     {"bos", "seed", "token-budget"});
  frame.syntax.examples = {"model info model.gguf"};
  frame.options.model_argument("path");
  return frame.run(arguments, [&](Console& console) {
    const Model model = Model::describe(frame.common.model, model_options(frame.common), console.progress());
    const ModelSummary summary = summarize_model(model);
    return frame.show(console, with_commands(full_report(summary, model)), to_json(summary, model));
  });
}

int check(const std::vector<std::string>& arguments) {
  bool headers_only = false;
  CommandFrame frame("model check", "PATH",
                     "Says which tensor plays which role, where norms stand, how much memory work with the "
                     "model takes and what is not supported; then loads all of it, and tries the tokenizer.",
                     {"bos", "seed", "token-budget"});
  frame.syntax.examples = {"model check model.gguf --headers"};
  frame.options.model_argument("path").flag("headers", headers_only,
                                            "say what the headers tell, and load no weights");
  return frame.run(arguments, [&](Console& console) {
    const ModelCheck found = check_model_file(frame.common.model, model_options(frame.common).dtype);
    console.print(full_report(found, {console.columns()}));
    std::cout << std::flush;
    if (!found.refusal && !headers_only) {
      const Model model = frame.load(console);
      return frame.show(console, weights_check_text(model) + tokenizer_check_text(check_tokenizer(model)),
                        to_json(found, model));
    }
    console.write_json(to_json(found));
    if (found.refusal) throw Error(*found.refusal);
    return kExitDone;
  });
}

int inspect(const std::vector<std::string>& arguments) {
  std::filesystem::path place;
  SubjectQuestions asked;
  CommandFrame frame(
      "model inspect", "FILE [--patches DIR] [--base MODEL] [--subjects FILE]",
      "Says what became of a checkpoint: with --base, which weights differ, by what rank, and which of the "
      "patches in DIR are in it; without, how far it behaves as the patches say. With --subjects, which of "
      "the "
      "subjects in FILE were edited, without any patch.",
      {"bos", "seed"});
  frame.syntax.uses_statistics = true;
  frame.syntax.examples = {"model inspect edited.gguf --base model.gguf --patches out",
                           "model inspect edited.gguf --base model.gguf --subjects countries.txt"};
  frame.options.model_argument("file")
      .text("patches", place, "DIR", "a folder with patches, or one patch", Use::kReads)
      .text("base", asked.base, "MODEL", "the checkpoint to compare with", Use::kReads)
      .text("subjects", asked.subjects, "FILE",
            "subjects, one a line, perhaps with a tab and a prompt that holds it: which of them were edited?",
            Use::kReads)
      .number("edited-score", asked.how.threshold, "X",
              "with --subjects: from which score a subject counts as edited, 0 to 1")
      .text("unedited", asked.unedited, "FILE",
            "with --subjects: subjects that were surely not edited, to set the threshold by", Use::kReads)
      .number("false-alarms", asked.false_alarms, "A",
              "with --subjects: the share of unedited names that may count as edited (default 0.02)")
      .check([&] {
        require_given(!place.empty() || !asked.base.empty(), "model inspect",
                      "--patches DIR or --base MODEL");
        asked.how.statistics = frame.common.statistics;
        check_questions(asked);
      });
  return frame.run(arguments, [&](Console& console) {
    std::vector<std::string> warnings;
    const std::vector<NamedPatch> patches = find_patches(place, warnings);
    for (const std::string& warning : warnings) console.warn(warning);
    read_questions(asked);
    require_model_path(frame.common.model);
    std::optional<InspectBase> base;
    if (!asked.base.empty())
      base = load_inspect_base(asked.base, model_options(frame.common), patches, console.progress());
    const Model model = frame.load(console);
    InspectOutcome outcome = inspect_checkpoint(
        model, base, patches, frame.common.token_budget, console.progress(),
        asked.candidates.empty() ? InspectDirections::kLeaveOut : InspectDirections::kFind);
    asked.how.token_budget = frame.common.token_budget;
    answer_questions(model, asked, model_options(frame.common), outcome, console.progress());
    for (const std::string& warning : outcome.warnings) console.warn(warning);
    return frame.show(console, full_report(outcome, {console.columns()}), to_json(outcome, model));
  });
}

const std::vector<Command> kModelCommands = {
    {"info", "say what a model file is", info},
    {"check", "say what works with it, and load all of it", check},
    {"inspect", "compare it with a base, and look for known patches", inspect},
};

}  // namespace

int model_command(const std::vector<std::string>& arguments) {
  return run_command("model ", kModelCommands, arguments);
}

}  // namespace emend
