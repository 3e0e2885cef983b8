// emend eval survive --model M --patch P... --types T...
#include <algorithm>

#include "cli/command.h"
#include "cli/command_frame.h"
#include "emend/adapter.h"
#include "emend/survive_run.h"
#include "pipeline/rounded_weights.h"
#include "reports/survive_report.h"

namespace emend {
namespace {

bool is_quantised(const std::string& type) {
  return type_named(type).format != nullptr;
}

}  // namespace

int eval_survive_command(const std::vector<std::string>& arguments) {
  std::vector<std::filesystem::path> files, later, adapters;
  SurviveOptions how;
  CommandFrame frame(
      "eval survive", "--model M --patch P... [--types T...] [--later P]... [--adapter DIR]...",
      "What is left of an edit: its own checks after the weights were rounded to each type, and "
      "after further edits\nand with an adapter merged, in one table (docs/survival.md). No file of the "
      "model is changed.",
      {"bos", "seed"});
  frame.syntax.uses_statistics = true;
  frame.syntax.examples = {"eval survive --model model.gguf --patch edit.safetensors --types bf16 q8_0 q4_k"};
  frame.options.needs_model()
      .texts("patch", files, "FILE", "the patches, in the order in which they stack",
             Use::kReads | Use::kNeeded)
      .texts("types", how.types, "T", "F16, BF16, Q4_0 to Q8_0, Q2_K to Q6_K, IQ4_NL, IQ4_XS")
      .repeated("later", later, "FILE", "a patch to lay on the edited model; may be given again", Use::kReads)
      .repeated("adapter", adapters, "DIR",
                "a LoRA adapter of PEFT to merge into the edited model; may be given again, each by itself",
                Use::kReads)
      .report("write the table as an HTML page")
      .check([&] {
        require_given(!how.types.empty() || !later.empty() || !adapters.empty(), "eval survive",
                      "--types T..., --later FILE or --adapter DIR");
      })
      .only_with("a quantised type among --types, which is rounded under them", {"statistics"},
                 [&] { return std::any_of(how.types.begin(), how.types.end(), is_quantised); });
  return frame.run(arguments, [&](Console& console) {
    const std::vector<NamedPatch> patches = load_patches(files);
    how.later = load_patches(later);
    for (const std::filesystem::path& folder : adapters) how.adapters.push_back(read_lora_adapter(folder));
    how.statistics = frame.common.statistics;
    Model model = frame.load(console);
    how.token_budget = frame.common.token_budget;
    const SurviveOutcome outcome = survive_edits(model, patches, how, console.progress());
    for (const std::string& warning : outcome.warnings) console.warn(warning);
    frame.show(console, survive_text(outcome, console.columns()), survive_json(outcome, model),
               {[&] { return survive_page(outcome, model); }});
    return outcome.passed() ? kExitDone : kExitCheckFailed;
  });
}

}  // namespace emend
