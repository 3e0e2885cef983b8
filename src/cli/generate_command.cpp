// emend generate PROMPT
#include <algorithm>
#include <cmath>
#include <iostream>

#include "base/strings.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/load_model.h"
#include "emend/error.h"
#include "emend/generate.h"
#include "emend/patch_run.h"
#include "pipeline/continue_prompt.h"
#include "pipeline/failure.h"
#include "report/numbers.h"
#include "report/table.h"

namespace emend {
namespace {

namespace po = boost::program_options;

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

struct Generated {
  TokenIds prompt;
  TokenIds completion;
  std::vector<TokenLogprob> top;
};

Parsed parse_generate(const std::vector<std::string>& arguments, GenerateCommandOptions& options) {
  Syntax syntax;
  syntax.command = "generate";
  syntax.synopsis = "PROMPT --model M [--patch FILE]... [OPTIONS]";
  syntax.help =
      "Continues a prompt. Patches are laid on the model in the order given; its files stay as they are.";
  syntax.positional = "prompt";
  syntax.positionals = 1;
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
    throw Error(ErrorKind::kUsage, "--max-new must be at most " + std::to_string(kMostNew) + ", found " +
                                       std::to_string(options.max_new));
  if (!(options.temperature >= 0 && options.temperature <= 100))
    throw Error(ErrorKind::kUsage,
                "--temperature must be from 0 to 100, found " + number_text(options.temperature));
  return Parsed::kRun;
}

Generated run_generate(const Model& model, const GenerateCommandOptions& options, Console& console) {
  PromptOptions how;
  how.bos = options.common.bos.value_or("auto");
  how.form = parse_form(options.form);
  how.max_new = options.max_new;
  how.temperature = options.temperature;
  how.seed = options.common.seed;
  how.token_budget = options.common.token_budget;
  Generated result;
  result.prompt = prompt_tokens(model, options.prompt, how);
  how.max_new = tokens_that_fit(model, result.prompt.size(), options.max_new);
  if (how.max_new < options.max_new)
    console.note("--max-new " + std::to_string(options.max_new) + " goes beyond the model's " +
                 std::to_string(model.config().max_positions) + " positions: at most " +
                 std::to_string(how.max_new) + " tokens follow this prompt");
  if (options.top > 0)
    result.top =
        next_tokens(model, {result.prompt}, std::min(options.top, model.config().vocab), how.token_budget)[0];
  throw_if_interrupted();
  result.completion = continue_prompt(model, result.prompt, how);
  throw_if_interrupted();
  return result;
}

// The embedding table may have more rows than the tokenizer has ids.
std::string piece(const Tokenizer& tokenizer, std::int64_t id) {
  return id < tokenizer.size() ? tokenizer.token_bytes(id) : "<" + std::to_string(id) + ">";
}

void print_generated(const Tokenizer& tokenizer, const Generated& result,
                     const GenerateCommandOptions& options, std::size_t columns) {
  if (options.form == "raw") std::cout << options.prompt;
  std::cout << completion_text(tokenizer, result.completion) << "\n";
  if (result.top.empty()) return;
  Table table({{"next token"}, {"id", Align::kRight}, {"p", Align::kRight}, {"log p", Align::kRight}});
  for (const TokenLogprob& token : result.top)
    table.add_row({quote(piece(tokenizer, token.id)), std::to_string(token.id),
                   probability_text(std::exp(token.logprob)), number_text(token.logprob, 4)});
  std::cout << "\n" << table.text(columns);
}

ResultJson generated_json(const Tokenizer& tokenizer, const Generated& result,
                          const GenerateCommandOptions& options) {
  ResultJson pieces = ResultJson::array();
  for (const std::int64_t id : result.prompt) pieces.push_back(piece(tokenizer, id));
  ResultJson top = ResultJson::array();
  for (const TokenLogprob& token : result.top)
    top.push_back({{"id", token.id}, {"text", piece(tokenizer, token.id)}, {"logprob", token.logprob}});
  return {{"prompt", options.prompt},
          {"tokens", result.prompt},
          {"pieces", pieces},
          {"completion", completion_text(tokenizer, result.completion)},
          {"completion_tokens", result.completion},
          {"top", top}};
}

}  // namespace

int generate_command(const std::vector<std::string>& arguments) {
  GenerateCommandOptions options;
  if (parse_generate(arguments, options) == Parsed::kAnswered) return kExitDone;
  parse_form(options.form);
  Console console(options.common);
  console.keep_json_apart({{options.patches.begin(), options.patches.end()}, options.common.model, {}});
  const std::vector<NamedPatch> patches = load_patches({options.patches.begin(), options.patches.end()});
  Model model = load_model(options.common.model, options.common, console);
  fit_token_budget(model, options.common, console);
  for (const NamedPatch& named : patches) {
    require_base(named.patch, model, named.name);
    if (!named.patch.passed) console.warn(named.name + ": this patch is marked as failed");
  }
  const ScopedEdit scope(model, changes_of(patches));
  const Generated result = run_generate(model, options, console);
  print_generated(model.tokenizer(), result, options, console.columns());
  console.write_json(generated_json(model.tokenizer(), result, options));
  return kExitDone;
}

}  // namespace emend
