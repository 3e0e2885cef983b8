// emend eval abilities --model M --data FILE...
#include <iostream>

#include "cli/command.h"
#include "cli/load_model.h"
#include "emend/abilities.h"
#include "emend/patch_run.h"
#include "pipeline/failure.h"
#include "reports/abilities_report.h"

namespace emend {
namespace {

struct AbilityArguments {
  CommonOptions common;
  std::vector<std::string> data, patches;
  std::string out;
};

Parsed parse_abilities(const std::vector<std::string>& arguments, AbilityArguments& asked) {
  Syntax syntax;
  syntax.command = "eval abilities";
  syntax.synopsis = "--model M --data FILE... [--patch P]... [--out DIR]";
  syntax.help =
      "Multiple-choice items by likelihood, before and after the patches: files of MMLU, ARC, HellaSwag, "
      "BoolQ "
      "and PIQA,\nworded and counted as lm-evaluation-harness does (docs/abilities.md).";
  syntax.own.add_options()("data", po::value(&asked.data)->multitoken()->composing()->value_name("FILE"),
                           "items as JSON lines, one form a file")(
      "patch", po::value(&asked.patches)->multitoken()->composing()->value_name("FILE"),
      "the patches, in the order in which they stack (none: the model as it is)")(
      "out", po::value(&asked.out)->value_name("DIR"), "write abilities.json, and every item to items.jsonl");
  if (parse_options(syntax, arguments, asked.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(!asked.common.model.empty(), syntax.command, "--model PATH");
  require_given(!asked.data.empty(), syntax.command, "--data FILE");
  return Parsed::kRun;
}

}  // namespace

int eval_abilities_command(const std::vector<std::string>& arguments) {
  AbilityArguments asked;
  if (parse_abilities(arguments, asked) == Parsed::kAnswered) return kExitDone;
  Console console(asked.common);
  OtherFiles others{{asked.patches.begin(), asked.patches.end()}, asked.common.model, {}};
  others.files.insert(others.files.end(), asked.data.begin(), asked.data.end());
  for (const char* name : {kAbilitiesFile, kItemsFile})
    if (!asked.out.empty())
      console.check_result_file("--out", std::filesystem::path(asked.out) / name, others);
  others.files.emplace_back(asked.out);
  console.keep_json_apart(others);
  const std::vector<AbilityTask> tasks = read_ability_tasks({asked.data.begin(), asked.data.end()});
  const std::vector<NamedPatch> patches = load_patches({asked.patches.begin(), asked.patches.end()});
  Model model = load_model(asked.common.model, asked.common, console);
  fit_token_budget(model, asked.common, console);
  for (const NamedPatch& named : patches) {
    require_base(named.patch, model, named.name);
    if (!named.patch.passed) console.warn(named.name + ": this patch is marked as failed");
  }
  const AbilityOptions how{asked.common.bos.value_or("auto"), asked.common.token_budget, {asked.common.seed}};
  const AbilityOutcome outcome =
      measure_abilities(model, tasks, changes_of(patches), how, console.progress());
  std::cout << abilities_text(outcome, console.columns());
  if (!asked.out.empty()) write_abilities(asked.out, outcome, tasks, asked.patches, model);
  console.write_json(abilities_json(outcome, asked.patches, model));
  return kExitDone;
}

}  // namespace emend
