// emend generate PROMPT
#include "cli/command.h"
#include "cli/command_frame.h"
#include "console/interrupt.h"
#include "emend/error.h"
#include "emend/generate_run.h"
#include "emend/patch_run.h"
#include "emend/report.h"
#include "report/numbers.h"
#include "reports/generate_report.h"

namespace emend {
namespace {

struct GenerateArguments {
  PromptOptions run;
  std::vector<std::string> prompt, patches;
};

void add_generate_options(CommandFrame& frame, GenerateArguments& asked) {
  constexpr std::int64_t kMostNew = 1'000'000;
  frame.syntax.uses_memory = true;
  frame.options.arguments("prompt", asked.prompt, 1, "the prompt")
      .needs_model()
      .repeated("patch", asked.patches, "FILE", "a patch to lay on the model; may be given again",
                Use::kReads)
      .count("top", asked.run.top, "K", "list the K likeliest next tokens")
      .count("max-new", asked.run.max_new, "N", "tokens to generate, at most", kMostNew)
      .value(
          "form", "FORM", "raw, or chat: the prompt goes through the model's chat template",
          [&](const std::string& text) { asked.run.form = parse_form(text); }, "raw")
      .number("temperature", asked.run.temperature, "T", "0: the likeliest token each time; above 0: drawn")
      .check([&] {
        if (!(asked.run.temperature >= 0 && asked.run.temperature <= 100))
          throw Error(ErrorKind::kUsage,
                      "--temperature must be from 0 to 100, found " + number_text(asked.run.temperature));
      });
}

}  // namespace

int generate_command(const std::vector<std::string>& arguments) {
  GenerateArguments asked;
  CommandFrame frame(
      "generate", "PROMPT --model M [--patch FILE]... [OPTIONS]",
      "Continues a prompt. Patches are laid on the model in the order given; its files stay as they are.");
  frame.syntax.examples = {"generate \"The Louvre is located in the city of\" --model model.gguf --top 5"};
  add_generate_options(frame, asked);
  return frame.run(arguments, [&](Console& console) {
    const std::string& prompt = asked.prompt.front();
    PromptOptions& how = asked.run;
    const std::vector<NamedPatch> patches = load_patches({asked.patches.begin(), asked.patches.end()});
    Model model = frame.load(console, [&](const ModelConfig& config) {
      return prompt_work_bytes(config, parse_compute_type(frame.common.dtype), prompt.size(), how.max_new,
                               patches);
    });
    for (const std::string& warning : require_bases(patches, model)) console.warn(warning);
    const ScopedEdit scope(model, changes_of(patches));
    TerminalProgress interruptible(TerminalProgress::Style::kNothing);  // Ctrl-C, between two tokens
    how.progress = &interruptible;
    how.bos = frame.bos();
    how.seed = frame.common.seed;
    how.token_budget = frame.common.token_budget;
    const PromptOutcome outcome = run_prompt(model, prompt, how);
    if (outcome.max_new < how.max_new) console.note(limit_remark(outcome, how.max_new, model));
    throw_if_interrupted();
    return frame.show(console, full_report(outcome, prompt, how.form, {console.columns()}),
                      to_json(outcome, prompt));
  });
}

}  // namespace emend
