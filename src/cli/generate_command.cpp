// emend generate PROMPT
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <iostream>
#include <iterator>
#include <optional>

#include "base/strings.h"
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
  bool loop = false;     // a prompt a line, from stdin
  bool compare = false;  // what the base says beside it

  bool reads_stdin() const { return !loop && (prompt.empty() || prompt.front() == "-"); }
};

void check_source(const GenerateArguments& asked) {
  if (asked.loop && !asked.prompt.empty())
    throw Error(ErrorKind::kUsage,
                "generate: --loop reads the prompts from stdin, a line each; leave the prompt out");
  if (asked.compare && asked.patches.empty())
    throw Error(ErrorKind::kUsage,
                "generate: --compare sets an edited model beside its base: give --patch FILE");
  if (!asked.loop && asked.prompt.empty() && isatty(STDIN_FILENO) != 0)
    require_given(false, "generate", "the prompt");
}

void add_generate_options(CommandFrame& frame, GenerateArguments& asked) {
  constexpr std::int64_t kMostNew = 1'000'000;
  frame.syntax.uses_memory = true;
  frame.options.arguments("prompt", asked.prompt, 1, "")
      .check([&asked] { check_source(asked); })
      .needs_model()
      .repeated("patch", asked.patches, "FILE", "a patch to lay on the model; may be given again",
                Use::kReads)
      .flag("loop", asked.loop,
            "continue one prompt after the other, each a line of stdin, on a model that is loaded once; with "
            "patches what the base says stands beside it")
      .flag("compare", asked.compare, "also say what the model says without the patches")
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

// All of stdin, without the line feed that ends it.
std::string prompt_from_stdin() {
  std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  if (text.empty()) throw Error(ErrorKind::kUsage, "generate: the prompt is missing: stdin is empty");
  return text;
}

// What the model says to prompts, with the patches and without.
class Speaker {
 public:
  Speaker(Model& model, const std::vector<NamedPatch>& patches, const PromptOptions& how, bool compares,
          Console& console)
      : model_(model), changes_(changes_of(patches)), how_(how), compares_(compares), console_(console) {}

  // The text for stdout; fills `json`.
  std::string say(const std::string& prompt, ResultJson& json) {
    std::optional<PromptOutcome> base;
    if (compares_) base = run_prompt(model_, prompt, how_);
    const ScopedEdit scope(model_, changes_);
    const PromptOutcome outcome = run_prompt(model_, prompt, how_);
    if (outcome.max_new < how_.max_new) console_.note(limit_remark(outcome, how_.max_new, model_));
    throw_if_interrupted();
    if (base && !base->ended) console_.note("base: " + unended_remark(*base));
    if (!outcome.ended) console_.note((base ? "edited: " : "") + unended_remark(outcome));
    json = base ? compared_json(*base, outcome, prompt) : generated_json(outcome, prompt);
    return base ? compared_text(*base, outcome, console_.columns())
                : generated_text(outcome, prompt, how_.form, console_.columns());
  }

 private:
  Model& model_;
  std::vector<WeightChange> changes_;
  PromptOptions how_;
  bool compares_;
  Console& console_;
};

// Waits for a line of a terminal. A read would go on after Ctrl-C.
void wait_for_line() {
  pollfd in{STDIN_FILENO, POLLIN, 0};
  while (poll(&in, 1, -1) < 0 && errno == EINTR) throw_if_interrupted();
}

// A prompt a line until stdin ends. What is wrong with one is said, and the next one is read.
int loop_over_lines(CommandFrame& frame, Speaker& speaker, Console& console) {
  const bool asks = isatty(STDIN_FILENO) != 0;
  ResultJson all = ResultJson::array();
  for (std::string line;;) {
    throw_if_interrupted();
    if (asks) {
      std::cerr << "> " << std::flush;
      wait_for_line();
    }
    if (!std::getline(std::cin, line)) break;
    if (line.ends_with('\r')) line.pop_back();
    if (trim(line).empty()) continue;
    try {
      ResultJson json;
      console.print_plain(speaker.say(line, json) + "\n");
      std::cout << std::flush;
      all.push_back(std::move(json));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kUsage && error.kind() != ErrorKind::kConfig) throw;
      console.warn(error.what());
    }
  }
  if (asks) std::cerr << std::endl;
  return frame.show(console, "", ResultJson{{"prompts", all}});
}

}  // namespace

int generate_command(const std::vector<std::string>& arguments) {
  constexpr std::size_t kLongLine = 4096;  // bytes of a prompt that is not known yet
  GenerateArguments asked;
  CommandFrame frame("generate", "PROMPT|- --model M [--patch FILE]... [OPTIONS]",
                     "Continues a prompt (-: that of stdin). Patches are laid on the model in the order "
                     "given; its files stay "
                     "as they are.");
  frame.syntax.examples = {"generate \"The Louvre is located in the city of\" --model model.gguf --top 5",
                           "generate --loop --model model.gguf --patch out/eiffel.safetensors"};
  add_generate_options(frame, asked);
  return frame.run(arguments, [&](Console& console) {
    PromptOptions& how = asked.run;
    const std::string prompt = asked.loop            ? ""
                               : asked.reads_stdin() ? prompt_from_stdin()
                                                     : asked.prompt.front();
    const std::size_t prompt_bytes = asked.loop ? kLongLine : prompt.size();
    const std::vector<NamedPatch> patches = load_patches({asked.patches.begin(), asked.patches.end()});
    Model model = frame.load(console, [&](const ModelConfig& config) {
      return prompt_work_bytes(config, parse_compute_type(frame.common.dtype), prompt_bytes, how.max_new,
                               patches);
    });
    for (const std::string& warning : require_stack(patches, model)) console.warn(warning);
    TerminalProgress interruptible(TerminalProgress::Style::kNothing);  // Ctrl-C, between two tokens
    how.progress = &interruptible;
    how.bos = frame.bos();
    how.seed = frame.common.seed;
    how.token_budget = frame.common.token_budget;
    Speaker speaker(model, patches, how, asked.compare || (asked.loop && !patches.empty()), console);
    if (asked.loop) return loop_over_lines(frame, speaker, console);
    ResultJson json;
    console.print_plain(speaker.say(prompt, json));
    return frame.show(console, "", json);
  });
}

}  // namespace emend
