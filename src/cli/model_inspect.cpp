// emend model inspect FILE --patches DIR [--base M]
#include <iostream>
#include <optional>

#include "cli/command.h"
#include "cli/load_model.h"
#include "emend/error.h"
#include "emend/patch_run.h"
#include "emend/report.h"
#include "pipeline/failure.h"

namespace emend {
namespace {

struct InspectArguments {
  CommonOptions common;
  std::string file, patches, base;
};

Parsed parse_inspect(const std::vector<std::string>& arguments, InspectArguments& options) {
  Syntax syntax;
  syntax.command = "model inspect";
  syntax.synopsis = "FILE [--patches DIR] [--base M]";
  syntax.help =
      "Says what became of a checkpoint: with --base, which weights differ, by what rank, and which of the "
      "patches in DIR are in it; without, how far it behaves as the patches say.";
  syntax.positional = "file";
  syntax.positionals = 1;
  syntax.unused = {"bos", "seed"};
  syntax.own.add_options()("file", po::value(&options.file))(
      "patches", po::value(&options.patches)->value_name("DIR"), "a folder with patches, or one patch")(
      "base", po::value(&options.base)->value_name("M"), "the checkpoint to compare with");
  if (parse_options(syntax, arguments, options.common) == Parsed::kAnswered) return Parsed::kAnswered;
  options.file = std::string(only_model("model inspect", options.file, options.common.model));
  require_given(!options.patches.empty() || !options.base.empty(), "model inspect",
                "--patches DIR or --base MODEL");
  return Parsed::kRun;
}

}  // namespace

int model_inspect_command(const std::vector<std::string>& arguments) {
  InspectArguments options;
  if (parse_inspect(arguments, options) == Parsed::kAnswered) return kExitDone;
  Console console(options.common);
  console.keep_json_apart({{options.patches, options.base}, options.file, {}});
  std::vector<std::string> warnings;
  const std::vector<NamedPatch> patches = find_patches(options.patches, warnings);
  for (const std::string& warning : warnings) console.warn(warning);
  std::optional<InspectBase> base;
  if (!options.base.empty())
    base = load_inspect_base(options.base, model_options(options.common), patches, console.progress());
  const Model model = load_model(options.file, options.common, console);
  fit_token_budget(model, options.common, console);
  const InspectOutcome outcome =
      inspect_checkpoint(model, base, patches, options.common.token_budget, console.progress());
  for (const std::string& warning : outcome.warnings) console.warn(warning);
  std::cout << full_report(outcome, {console.columns()});
  console.write_json(to_json(outcome, model));
  return kExitDone;
}

}  // namespace emend
