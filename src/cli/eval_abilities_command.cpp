// emend eval abilities --model M --data FILE...
#include "cli/command.h"
#include "cli/command_frame.h"
#include "emend/abilities.h"
#include "emend/patch_run.h"
#include "reports/abilities_report.h"

namespace emend {

int eval_abilities_command(const std::vector<std::string>& arguments) {
  std::vector<std::filesystem::path> data;
  std::vector<std::string> files;
  std::filesystem::path out;
  CommandFrame frame("eval abilities", "--model M --data FILE... [--patch P]... [--out DIR]",
                     "Multiple-choice items by likelihood, before and after the patches: files of MMLU, ARC, "
                     "HellaSwag, BoolQ and PIQA,\nworded and counted as lm-evaluation-harness does "
                     "(docs/abilities.md).");
  frame.syntax.examples = {"eval abilities --model model.gguf --data arc.jsonl --patch edit.safetensors"};
  frame.options.needs_model()
      .texts("data", data, "FILE", "items as JSON lines, one form a file", Use::kReads | Use::kNeeded)
      .texts("patch", files, "FILE",
             "the patches, in the order in which they stack (none: the model as it is)", Use::kReads)
      .text("out", out, "DIR", "write abilities.json, and every item to items.jsonl")
      .report("write the table as an HTML page")
      .only_with("--patch FILE: the intervals of differences alone are drawn", {"seed"},
                 [&] { return !files.empty(); });
  frame.other_paths = [&] { return OtherFiles{{out}, {}, {}}; };
  return frame.run(arguments, [&](Console& console) {
    OtherFiles read{data, frame.common.model, {}};
    read.files.insert(read.files.end(), files.begin(), files.end());
    for (const char* name : {kAbilitiesFile, kItemsFile})
      if (!out.empty()) console.check_result_file("--out", out / name, read);
    const std::vector<AbilityTask> tasks = read_ability_tasks(data);
    const std::vector<NamedPatch> patches = load_patches({files.begin(), files.end()});
    Model model = frame.load(console);
    for (const std::string& warning : require_stack(patches, model)) console.warn(warning);
    const AbilityOptions how{frame.bos(), frame.common.token_budget, {frame.common.seed}};
    const AbilityOutcome outcome =
        measure_abilities(model, tasks, changes_of(patches), how, console.progress());
    if (!out.empty()) write_abilities(out, outcome, tasks, files, model);
    return frame.show(console, abilities_text(outcome, console.columns()),
                      abilities_json(outcome, files, model),
                      {[&] { return abilities_page(outcome, model.path()); }});
  });
}

}  // namespace emend
