// emend generate PROMPT
#include <fmt/format.h>

#include <iostream>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/load_model.h"
#include "emend/error.h"
#include "emend/generate_run.h"
#include "emend/memory_estimate.h"
#include "emend/patch_run.h"
#include "emend/report.h"
#include "pipeline/failure.h"
#include "report/numbers.h"

namespace emend {
namespace {

constexpr std::int64_t kMostNew = 1'000'000;

struct GenerateCommandOptions {
  CommonOptions common;
  std::string prompt;
  std::vector<std::string> patches;
  std::int64_t top = 0;
  std::int64_t max_new = 20;
  std::string form = "raw";
  double temperature = 0;
};

Parsed parse_generate(const std::vector<std::string>& arguments, GenerateCommandOptions& options) {
  Syntax syntax;
  syntax.command = "generate";
  syntax.synopsis = "PROMPT --model M [--patch FILE]... [OPTIONS]";
  syntax.help =
      "Continues a prompt. Patches are laid on the model in the order given; its files stay as they are.";
  syntax.positional = "prompt";
  syntax.positionals = 1;
  syntax.uses_memory = true;
  bool given = false;
  syntax.own.add_options()("prompt", po::value(&options.prompt)->notifier([&](const std::string&) {
    given = true;
  }))("patch", po::value(&options.patches)->composing()->value_name("FILE"),
      "a patch to lay on the model; may be given again")(
      "top", po::value(&options.top)->value_name("K")->notifier([](std::int64_t k) {
        require_at_least("top", k, 1);
      }),
      "list the K likeliest next tokens")("max-new",
                                          po::value(&options.max_new)->value_name("N")->default_value(20),
                                          "tokens to generate, at most")(
      "form", po::value(&options.form)->value_name("FORM")->default_value("raw"),
      "raw, or chat: the prompt goes through the model's chat template")(
      "temperature", po::value(&options.temperature)->value_name("T")->default_value(0, "0"),
      "0: the likeliest token each time; above 0: drawn");
  if (parse_options(syntax, arguments, options.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(given, "generate", "the prompt");
  require_given(!options.common.model.empty(), "generate", "--model PATH");
  require_at_least("max-new", options.max_new, 1);
  if (options.max_new > kMostNew)
    throw Error(ErrorKind::kUsage,
                fmt::format("--max-new must be at most {}, found {}", kMostNew, options.max_new));
  if (!(options.temperature >= 0 && options.temperature <= 100))
    throw Error(ErrorKind::kUsage,
                "--temperature must be from 0 to 100, found " + number_text(options.temperature));
  return Parsed::kRun;
}

PromptOptions prompt_options(const GenerateCommandOptions& options) {
  PromptOptions how;
  how.bos = options.common.bos.value_or("auto");
  how.form = parse_form(options.form);
  how.max_new = options.max_new;
  how.temperature = options.temperature;
  how.seed = options.common.seed;
  how.token_budget = options.common.token_budget;
  how.top = options.top;
  return how;
}

// A token has at least one byte of the prompt, and a chat template adds some.
GenerateSize generate_size(const GenerateCommandOptions& options) {
  constexpr std::int64_t kTemplateTokens = 256;
  return {static_cast<std::int64_t>(options.prompt.size()) + kTemplateTokens, options.max_new};
}

void tell_limit(const PromptOutcome& outcome, const GenerateCommandOptions& options, const Model& model,
                Console& console) {
  if (outcome.max_new < options.max_new)
    console.note(
        fmt::format("--max-new {} goes beyond the model's {} positions: at most {} tokens follow this prompt",
                    options.max_new, model.config().max_positions, outcome.max_new));
}

}  // namespace

int generate_command(const std::vector<std::string>& arguments) {
  GenerateCommandOptions options;
  if (parse_generate(arguments, options) == Parsed::kAnswered) return kExitDone;
  parse_form(options.form);
  Console console(options.common);
  console.keep_json_apart({{options.patches.begin(), options.patches.end()}, options.common.model, {}});
  const std::vector<NamedPatch> patches = load_patches({options.patches.begin(), options.patches.end()});
  Model model = load_model(options.common.model, options.common, console, [&](const ModelConfig& config) {
    return generate_bytes(config, generate_size(options)) +
           changed_weight_bytes(config, parse_compute_type(options.common.dtype), patches);
  });
  fit_token_budget(model, options.common, console);
  for (const NamedPatch& named : patches) {
    require_base(named.patch, model, named.name);
    if (!named.patch.passed) console.warn(named.name + ": this patch is marked as failed");
  }
  const ScopedEdit scope(model, changes_of(patches));
  PromptOptions how = prompt_options(options);
  TerminalProgress interruptible(TerminalProgress::Style::kNothing);  // Ctrl-C, between two tokens
  how.progress = &interruptible;
  const PromptOutcome outcome = run_prompt(model, options.prompt, how);
  tell_limit(outcome, options, model, console);
  throw_if_interrupted();
  std::cout << full_report(outcome, options.prompt, how.form, {console.columns()});
  console.write_json(to_json(outcome, options.prompt));
  return kExitDone;
}

}  // namespace emend
