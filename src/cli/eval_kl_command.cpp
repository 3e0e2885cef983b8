// emend eval kl --model M --base FILE, or --write-base FILE --text T
#include "cli/command.h"
#include "cli/command_frame.h"
#include "emend/answer_kl.h"
#include "emend/error.h"
#include "emend/kl_run.h"
#include "emend/patch_run.h"
#include "reports/answer_kl_report.h"
#include "reports/kl_report.h"

namespace emend {
namespace {

struct KlArguments {
  KlRunOptions run;
  KlWriteOptions write;
  std::filesystem::path text, write_base, questions;
  AnswerKlOptions answers;
};

// What --questions goes without.
void check_questions(const KlArguments& asked) {
  const KlRunOptions& run = asked.run;
  require_given(!run.patches.empty(), "eval kl", "--patch P, which --questions compares with the model,");
  if (!asked.text.empty() || !run.quantised.empty() || !run.edited_quantised.empty())
    throw Error(ErrorKind::kUsage,
                "--questions goes with none of --text, --quantised and --edited-quantised: it compares the "
                "model with its patches on it with the model itself");
}

void add_kl_options(CommandFrame& frame, KlArguments& asked) {
  KlRunOptions& run = asked.run;
  frame.options.needs_model()
      .text("base", run.base, "FILE", "the base file to compare with, of this program or of llama-perplexity",
            Use::kReads)
      .text("write-base", asked.write_base, "FILE", "write the base file of the model (and the patches)",
            Use::kWrites)
      .text("text", asked.text, "FILE",
            "the text: to write a base file of, or the one that --base must be of", Use::kReads)
      .texts("patch", run.patches, "FILE", "the patches, in the order in which they stack", Use::kReads)
      .text("quantised", run.quantised, "MODEL", "the same model in fewer bits", Use::kReads)
      .text("edited-quantised", run.edited_quantised, "MODEL",
            "the edited model in fewer bits (left out: the patches are laid on --quantised)", Use::kReads)
      .number("context", asked.write.context, "N", "of --write-base: tokens of a chunk")
      .count("chunks", asked.write.chunks, "N", "of --write-base: at most so many chunks")
      .text("questions", asked.questions, "FILE",
            "instead of a base: questions, one a line; compares over the model's own answers", Use::kReads)
      .from(1, "answer-tokens", asked.answers.tokens, "K",
            "of --questions: so many content tokens of each answer", 256)
      .value(
          "form", "FORM", "of --questions: chat (the model's chat template) or raw",
          [&](const std::string& text) { asked.answers.form = parse_form(text); }, "chat")
      .check([&] {
        const int ways = (run.base.empty() ? 0 : 1) + (asked.write_base.empty() ? 0 : 1) +
                         (asked.questions.empty() ? 0 : 1);
        if (ways > 1)
          throw Error(ErrorKind::kUsage,
                      "eval kl: --base compares with a base file, --write-base writes one and --questions "
                      "compares over the model's own answers: give one of them");
        require_given(ways == 1, "eval kl", "either --base FILE, --write-base FILE or --questions FILE");
        if (!asked.questions.empty()) return check_questions(asked);
        require_given(asked.write_base.empty() || !asked.text.empty(), "eval kl",
                      "--text FILE, of which --write-base is,");
      })
      .only_with("--write-base FILE", {"context", "chunks"}, [&] { return !asked.write_base.empty(); })
      .only_with("--questions FILE", {"answer-tokens", "form"}, [&] { return !asked.questions.empty(); })
      .only_with("--base FILE", {"quantised", "edited-quantised"}, [&] { return !run.base.empty(); })
      .only_with("--base FILE or --questions FILE, whose intervals are drawn", {"seed"},
                 [&] { return asked.write_base.empty(); });
}

int write_base(CommandFrame& frame, KlArguments& asked, Console& console) {
  const std::vector<NamedPatch> patches = load_patches(asked.run.patches);
  Model model = frame.load(console);
  for (const std::string& warning : require_stack(patches, model)) console.warn(warning);
  asked.write.text = asked.text;
  const ScopedEdit scope(model, changes_of(patches));
  const KlOptions how{frame.bos(), frame.common.token_budget, {}};
  const KlWritten written = write_kl_base(model, asked.write_base, asked.write, how, console.progress());
  return frame.show(console, kl_written_text(written), kl_written_json(written, model));
}

int compare_answers(CommandFrame& frame, KlArguments& asked, Console& console) {
  const std::vector<std::string> questions = read_questions(asked.questions);
  const std::vector<NamedPatch> patches = load_patches(asked.run.patches);
  Model model = frame.load(console);
  for (const std::string& warning : require_stack(patches, model)) console.warn(warning);
  AnswerKlReport report;
  report.options = asked.answers;
  report.options.bos = frame.bos();
  report.options.token_budget = frame.common.token_budget;
  report.options.bootstrap.seed = frame.common.seed;
  for (const NamedPatch& named : patches) report.patches.push_back(named.name);
  report.questions =
      measure_answer_kl(model, questions, changes_of(patches), report.options, console.progress());
  report.figures = answer_kl_figures(report.questions, report.options.bootstrap);
  return frame.show(console, answer_kl_text(report, console.columns()), answer_kl_json(report, model));
}

}  // namespace

int eval_kl_command(const std::vector<std::string>& arguments) {
  KlArguments asked;
  CommandFrame frame(
      "eval kl", "--model M [--patch P]... (--base FILE | --write-base FILE --text T | --questions FILE)",
      "How far a model, edited and quantised, is from a base on a text: the figures of llama.cpp's "
      "llama-perplexity\n--kl-divergence, over the same base files; or, with --questions, how far "
      "an edit moves the model's own answers in a chat (docs/kl.md).");
  frame.syntax.examples = {"eval kl --model model.gguf --write-base base.kld --text wiki.txt",
                           "eval kl --model model.gguf --patch edit.safetensors --base base.kld",
                           "eval kl --model model.gguf --patch edit.safetensors --questions questions.txt"};
  add_kl_options(frame, asked);
  return frame.run(arguments, [&](Console& console) {
    if (!asked.questions.empty()) return compare_answers(frame, asked, console);
    if (!asked.write_base.empty()) return write_base(frame, asked, console);
    KlRunOptions& run = asked.run;
    run.model = frame.common.model;
    run.how = {frame.bos(), frame.common.token_budget_given ? frame.common.token_budget : 0, asked.text};
    run.bootstrap.seed = frame.common.seed;
    const KlOutcome outcome = run_kl(run, model_options(frame.common), console.progress());
    for (const std::string& warning : outcome.warnings) console.warn(warning);
    return frame.show(console, kl_text(outcome, console.columns()), kl_json(outcome));
  });
}

}  // namespace emend
