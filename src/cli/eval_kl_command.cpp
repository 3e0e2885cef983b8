// emend eval kl --model M --base FILE, or --write-base FILE --text T
#include <iostream>

#include "cli/command.h"
#include "cli/load_model.h"
#include "cli/proof_commands.h"
#include "emend/kl_run.h"
#include "emend/patch_run.h"
#include "pipeline/failure.h"
#include "reports/kl_report.h"

namespace emend {
namespace {

struct KlArguments {
  CommonOptions common;
  std::vector<std::string> patches;
  std::string base, write_base, text, quantised, edited_quantised;
  KlWriteOptions write;
};

Parsed parse_kl(const std::vector<std::string>& arguments, KlArguments& asked) {
  Syntax syntax;
  syntax.command = "eval kl";
  syntax.synopsis = "--model M [--patch P]... (--base FILE | --write-base FILE --text T)";
  syntax.help =
      "How far a model, edited and quantised, is from a base on a text: the figures of llama.cpp's "
      "llama-perplexity\n"
      "--kl-divergence, over the same base files (docs/kl.md).";
  syntax.own.add_options()("base", po::value(&asked.base)->value_name("FILE"),
                           "the base file to compare with, of this program or of llama-perplexity")(
      "write-base", po::value(&asked.write_base)->value_name("FILE"),
      "write the base file of the model (and the patches)")(
      "text", po::value(&asked.text)->value_name("FILE"),
      "the text: to write a base file of, or the one that --base must be of")(
      "patch", po::value(&asked.patches)->multitoken()->composing()->value_name("FILE"),
      "the patches, in the order in which they stack")(
      "quantised", po::value(&asked.quantised)->value_name("M"), "the same model in fewer bits")(
      "edited-quantised", po::value(&asked.edited_quantised)->value_name("M"),
      "the edited model in fewer bits (left out: the patches are laid on --quantised)")(
      "context", po::value(&asked.write.context)->default_value(asked.write.context)->value_name("N"),
      "of --write-base: tokens of a chunk")("chunks", po::value(&asked.write.chunks)->value_name("N"),
                                            "of --write-base: at most so many chunks");
  if (parse_options(syntax, arguments, asked.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(!asked.common.model.empty(), syntax.command, "--model PATH");
  require_given(asked.base.empty() != asked.write_base.empty(), syntax.command,
                "either --base FILE or --write-base FILE");
  require_given(asked.write_base.empty() || !asked.text.empty(), syntax.command,
                "--text FILE, of which --write-base is,");
  return Parsed::kRun;
}

KlOptions kl_options(const KlArguments& asked) {
  KlOptions how{asked.common.bos.value_or("auto"), asked.common.token_budget, {}};
  if (!asked.base.empty()) how.text = asked.text;
  return how;
}

int write_base(KlArguments& asked, const OtherFiles& others, Console& console) {
  console.check_result_file("--write-base", asked.write_base, others);
  const std::vector<NamedPatch> patches = load_patches({asked.patches.begin(), asked.patches.end()});
  Model model = load_model(asked.common.model, asked.common, console);
  fit_token_budget(model, asked.common, console);
  for (const NamedPatch& named : patches) require_base(named.patch, model, named.name);
  asked.write.text = asked.text;
  const ScopedEdit scope(model, changes_of(patches));
  const KlWritten written =
      write_kl_base(model, asked.write_base, asked.write, kl_options(asked), console.progress());
  std::cout << kl_written_text(written);
  console.write_json(kl_written_json(written, model));
  return kExitDone;
}

}  // namespace

int eval_kl_command(const std::vector<std::string>& arguments) {
  KlArguments asked;
  if (parse_kl(arguments, asked) == Parsed::kAnswered) return kExitDone;
  Console console(asked.common);
  OtherFiles others{{asked.patches.begin(), asked.patches.end()}, asked.common.model, {}};
  others.files.insert(others.files.end(), {asked.base, asked.text, asked.quantised, asked.edited_quantised});
  console.keep_json_apart(others);
  if (!asked.write_base.empty()) return write_base(asked, others, console);
  KlRunOptions run{asked.common.model, {asked.patches.begin(), asked.patches.end()},
                   asked.quantised,    asked.edited_quantised,
                   asked.base,         kl_options(asked),
                   {asked.common.seed}};
  if (!asked.common.token_budget_given) run.how.token_budget = 0;
  const KlOutcome outcome = run_kl(run, model_options(asked.common), console.progress());
  for (const std::string& warning : outcome.warnings) console.warn(warning);
  std::cout << kl_text(outcome, console.columns());
  console.write_json(kl_json(outcome));
  return kExitDone;
}

}  // namespace emend
