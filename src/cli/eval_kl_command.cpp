// emend eval kl --model M --base FILE, or --write-base FILE --text T
#include "cli/command.h"
#include "cli/command_frame.h"
#include "emend/kl_run.h"
#include "emend/patch_run.h"
#include "reports/kl_report.h"

namespace emend {
namespace {

struct KlArguments {
  KlRunOptions run;
  KlWriteOptions write;
  std::filesystem::path text, write_base;
};

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
      .check([&] {
        if (!run.base.empty() && !asked.write_base.empty())
          throw Error(
              ErrorKind::kUsage,
              "eval kl: --base compares with a base file and --write-base writes one: give one of them");
        require_given(!run.base.empty() || !asked.write_base.empty(), "eval kl",
                      "either --base FILE or --write-base FILE");
        require_given(asked.write_base.empty() || !asked.text.empty(), "eval kl",
                      "--text FILE, of which --write-base is,");
      });
}

int write_base(CommandFrame& frame, KlArguments& asked, Console& console) {
  const std::vector<NamedPatch> patches = load_patches(asked.run.patches);
  Model model = frame.load(console);
  for (const std::string& warning : require_bases(patches, model)) console.warn(warning);
  asked.write.text = asked.text;
  const ScopedEdit scope(model, changes_of(patches));
  const KlOptions how{frame.bos(), frame.common.token_budget, {}};
  const KlWritten written = write_kl_base(model, asked.write_base, asked.write, how, console.progress());
  return frame.show(console, kl_written_text(written), kl_written_json(written, model));
}

}  // namespace

int eval_kl_command(const std::vector<std::string>& arguments) {
  KlArguments asked;
  CommandFrame frame(
      "eval kl", "--model M [--patch P]... (--base FILE | --write-base FILE --text T)",
      "How far a model, edited and quantised, is from a base on a text: the figures of llama.cpp's "
      "llama-perplexity\n--kl-divergence, over the same base files (docs/kl.md).");
  frame.syntax.examples = {"eval kl --model model.gguf --write-base base.kld --text wiki.txt",
                           "eval kl --model model.gguf --patch edit.safetensors --base base.kld"};
  add_kl_options(frame, asked);
  return frame.run(arguments, [&](Console& console) {
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
