// emend patch drop P ID --out Q, and emend patch merge P... --out Q: a patch made of patches, checked on the
// model.
#include <iostream>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/load_model.h"
#include "emend/patch_algebra.h"
#include "emend/patch_run.h"
#include "emend/report.h"
#include "emend/statistics.h"
#include "pipeline/failure.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

struct ComposeArguments {
  CommonOptions common;
  std::vector<std::string> words;  // patches, or the patch and the id
  std::string out;
};

Parsed parse_compose(const std::string& command, const std::string& synopsis, const std::string& help,
                     int words, const std::vector<std::string>& arguments, ComposeArguments& options) {
  Syntax syntax;
  syntax.command = command;
  syntax.synopsis = synopsis;
  syntax.help = help;
  syntax.unused = {"bos", "seed"};
  syntax.uses_statistics = true;
  syntax.positional = "word";
  syntax.positionals = words;
  syntax.own.add_options()("word", po::value(&options.words))("out", po::value(&options.out)->value_name("Q"),
                                                              "the patch to write");
  if (parse_options(syntax, arguments, options.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(!options.common.model.empty(), command, "--model PATH");
  require_given(!options.out.empty(), command, "--out FILE");
  return Parsed::kRun;
}

ComposeOptions run_options(const CommonOptions& common) {
  return {common.statistics, common.token_budget};
}

// Writes and tells; returns the exit code.
int finish(const ComposeOutcome& outcome, const Model& model, const std::string& out, Console& console) {
  throw_if_interrupted();
  save_patch(outcome.patch, out);
  std::cout << full_report(outcome, {console.columns()}) << "\nPatch: " << out
            << (outcome.patch.passed ? "" : " (marked as failed)") << "\n";
  for (const std::string& warning : outcome.warnings) console.warn(warning);
  for (const std::string& warning : outcome.patch.edit.warnings) console.warn(warning);
  console.write_json(to_json(outcome, model, {out}));
  return outcome.passed ? kExitDone : kExitCheckFailed;
}

void check_outputs(const ComposeArguments& options, const std::vector<std::string>& patches,
                   Console& console) {
  require_writable_file(options.out);
  std::vector<fs::path> files(patches.begin(), patches.end());
  files.emplace_back(options.common.model);
  require_not_among(options.out, files);
  require_output_apart("--out", options.out, {{}, {}, {options.common.statistics}});
  files.pop_back();
  files.emplace_back(options.out);
  console.keep_json_apart({files, options.common.model, {options.common.statistics}});
}

// Once the model tells where its statistics lie by default.
void keep_out_of_statistics(const ComposeArguments& options, const Model& model, const Patch& patch,
                            const Console& console) {
  if (!options.common.statistics.empty()) return;  // looked at already
  const OtherFiles statistics{{}, {}, {default_statistics_folder(model, patch.prefix)}};
  require_output_apart("--out", options.out, statistics);
  console.keep_json_apart(statistics);
}

}  // namespace

int patch_drop_command(const std::vector<std::string>& arguments) {
  ComposeArguments options;
  if (parse_compose("patch drop", "P ID --model M --out Q",
                    "Takes one edit out of a patch. The others keep their residuals and are solved again "
                    "without it, from what the patch holds; no search. The result is checked on the model.",
                    2, arguments, options) == Parsed::kAnswered)
    return kExitDone;
  require_given(options.words.size() == 2, "patch drop", "the patch or the id of the edit");
  Console console(options.common);
  check_outputs(options, {options.words[0]}, console);
  const NamedPatch patch = load_patches({options.words[0]}).front();
  layers_to_solve(patch.patch,
                  options.words[1]);  // throws for what cannot be taken out, before the model is loaded
  Model model = load_model(options.common.model, options.common, console);
  keep_out_of_statistics(options, model, patch.patch, console);
  fit_token_budget(model, options.common, console);
  const ComposeOutcome outcome =
      drop_edit(model, patch, options.words[1], run_options(options.common), console.progress());
  return finish(outcome, model, options.out, console);
}

int patch_merge_command(const std::vector<std::string>& arguments) {
  ComposeArguments options;
  if (parse_compose(
          "patch merge", "P... --model M --out Q",
          "Makes one patch of several of one base. Layers that several of them change are solved "
          "jointly, from what the patches hold; no search. Edits of one key are refused by name. The "
          "result is checked on the model.",
          -1, arguments, options) == Parsed::kAnswered)
    return kExitDone;
  require_given(options.words.size() >= 2, "patch merge", "a second patch");
  Console console(options.common);
  check_outputs(options, options.words, console);
  const std::vector<NamedPatch> patches = load_patches({options.words.begin(), options.words.end()});
  Model model = load_model(options.common.model, options.common, console);
  keep_out_of_statistics(options, model, patches.front().patch, console);
  fit_token_budget(model, options.common, console);
  const ComposeOutcome outcome = merge_edits(model, patches, run_options(options.common), console.progress());
  return finish(outcome, model, options.out, console);
}

}  // namespace emend
