// emend model info, check and inspect.
#include <fmt/format.h>

#include <cerrno>
#include <iostream>
#include <optional>
#include <string>
#include <utility>

#include "base/files.h"
#include "cli/command.h"
#include "cli/command_frame.h"
#include "console/hints.h"
#include "emend/error.h"
#include "emend/model_check.h"
#include "emend/model_summary.h"
#include "emend/patch_run.h"
#include "emend/report.h"
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
  std::filesystem::path place, base_path, subjects_path, unedited_path;
  EditedSubjectsOptions how;
  std::optional<double> false_alarms;
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
      .text("base", base_path, "MODEL", "the checkpoint to compare with", Use::kReads)
      .text("subjects", subjects_path, "FILE",
            "subjects, one a line, perhaps with a tab and a prompt that holds it: which of them were edited?",
            Use::kReads)
      .number("edited-score", how.threshold, "X",
              "with --subjects: from which score a subject counts as edited, 0 to 1")
      .text("unedited", unedited_path, "FILE",
            "with --subjects: subjects that were surely not edited, to set the threshold by", Use::kReads)
      .number("false-alarms", false_alarms, "A",
              "with --subjects: the share of unedited names that may count as edited (default 0.02)")
      .check([&] {
        require_given(!place.empty() || !base_path.empty(), "model inspect", "--patches DIR or --base MODEL");
        require_given(subjects_path.empty() || !base_path.empty(), "model inspect",
                      "--base MODEL, from which the subjects' keys are read,");
        if (how.threshold && !(*how.threshold >= 0 && *how.threshold <= 1))
          throw Error(ErrorKind::kUsage,
                      fmt::format("--edited-score must be from 0 to 1, found {}", *how.threshold));
        if (how.threshold && (!unedited_path.empty() || false_alarms))
          throw Error(ErrorKind::kUsage,
                      "--edited-score sets the threshold, and so do --unedited and --false-alarms; leave one "
                      "out");
        if (false_alarms && !(*false_alarms >= 0.001 && *false_alarms <= 0.5))
          throw Error(ErrorKind::kUsage,
                      fmt::format("--false-alarms must be from 0.001 to 0.5, found {}", *false_alarms));
        if (!subjects_path.empty()) return;
        for (const auto& [given, name] : {std::pair{how.threshold.has_value(), "--edited-score"},
                                          std::pair{!unedited_path.empty(), "--unedited"},
                                          std::pair{false_alarms.has_value(), "--false-alarms"},
                                          std::pair{!frame.common.statistics.empty(), "--statistics"}})
          if (given)
            throw Error(ErrorKind::kUsage, std::string(name) + " changes nothing without --subjects FILE");
      });
  return frame.run(arguments, [&](Console& console) {
    std::vector<std::string> warnings;
    const std::vector<NamedPatch> patches = find_patches(place, warnings);
    for (const std::string& warning : warnings) console.warn(warning);
    std::vector<CandidateSubject> candidates;
    if (!subjects_path.empty()) candidates = read_candidates(subjects_path);
    if (!unedited_path.empty()) how.controls = read_candidates(unedited_path);
    if (!std::filesystem::exists(frame.common.model)) throw io_error("read", frame.common.model, ENOENT);
    std::optional<InspectBase> base;
    if (!base_path.empty())
      base = load_inspect_base(base_path, model_options(frame.common), patches, console.progress());
    const Model model = frame.load(console);
    InspectOutcome outcome =
        inspect_checkpoint(model, base, patches, frame.common.token_budget, console.progress(),
                           candidates.empty() ? InspectDirections::kLeaveOut : InspectDirections::kFind);
    if (!candidates.empty()) {
      const Model before = Model::load(base_path, model_options(frame.common), console.progress());
      how.statistics = frame.common.statistics;
      how.token_budget = frame.common.token_budget;
      how.false_alarms = false_alarms.value_or(how.false_alarms);
      outcome.subjects =
          find_edited_subjects(before, model, outcome.weights, candidates, how, console.progress());
      outcome.warnings.insert(outcome.warnings.end(), outcome.subjects->warnings.begin(),
                              outcome.subjects->warnings.end());
      if (false_alarms && outcome.subjects->controls == 0 && outcome.subjects->warnings.empty())
        outcome.warnings.push_back(
            "--false-alarms changes nothing here: one layer changed, where the fixed threshold counts; name "
            "subjects that surely were not edited with --unedited FILE");
    }
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
