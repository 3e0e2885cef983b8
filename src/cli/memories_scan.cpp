// emend memories scan --model M --corpus PATH... --out INDEX
#include <fmt/format.h>

#include <iostream>

#include "analysis/text_options.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/process_group_run.h"
#include "cli/text_run_options.h"
#include "console/option_values.h"
#include "emend/error.h"
#include "emend/memory_index.h"
#include "emend/memory_scan.h"
#include "reports/memory_page.h"
#include "reports/memory_report.h"

namespace emend {
namespace {

constexpr TextRunHelp kScanHelp = {
    .corpus = kCorpusHelp,
    .tokens = kTokensHelp,
    .block = "tokens between two checkpoints (default: 32768, of a sample 8192 or a sixteenth of it)",
    .shard = "only part i of N, from 0; join all with emend memories merge",
    .report = "write an HTML page with the layers"};

void add_scan_options(CommandFrame& frame, TextRunArguments& asked, ScanOptions& how) {
  frame.options.text("out", asked.out, "INDEX", "folder of the index", Use::kWritesFolder)
      .count("top", how.top, "N", "trigger examples of a cell at each end")
      .count("random", how.random, "N", "examples of a cell that are drawn at random")
      .value(
          "dedup", "POLICY",
          "which tokens stand in one list: none (all), window (the best one of each row of text), suffix "
          "(window, and of equal last 12 tokens the best one)",
          [&](const std::string& text) { how.dedup = parse_dedup(text); }, "window")
      .flag("include-first", how.include_first, "tokens at position 0 count, too")
      .flag("sentences", how.sentences, "every sentence is a row of its own, as in the paper")
      .flag("own-text", how.own_text, "in place of --corpus: --tokens tokens that the model writes itself")
      .needs_model()
      .check([&] {
        require_given(!how.corpus.empty() || how.own_text, "memories scan", "--corpus PATH");
        if (how.own_text && !how.corpus.empty())
          throw Error(ErrorKind::kUsage, "--own-text reads no text: leave out --corpus");
        if (how.own_text && (how.tokens == 0 || how.tokens == kAllTokens))
          throw Error(ErrorKind::kUsage, "--own-text needs --tokens N: how much the model writes");
        require_given(!asked.out.empty() || asked.dry_run, "memories scan", "--out INDEX");
        if (!frame.options.report_file.empty() && (asked.dry_run || how.shards > 1))
          throw Error(ErrorKind::kUsage,
                      "--report shows a finished index: it does not go with --dry-run and --shard");
        check_text_values(how);
        require_paths("--corpus", how.corpus);
      });
  add_text_run_options(frame, asked, how, kScanHelp, "all");
}

int show_plan(CommandFrame& frame, const Model& model, const ScanOptions& how, Console& console) {
  const ScanPlan plan = plan_memories(model, how, console.progress());
  tell_remarks(remarks_on(plan, how), console);
  return frame.show(console, scan_plan_text(plan, how) + "\n", scan_plan_json(plan, model));
}

}  // namespace

int memories_scan_command(const std::vector<std::string>& arguments) {
  TextRunArguments asked;
  ScanOptions how;
  CommandFrame frame(
      "memories scan", "--model M --corpus PATH...|--own-text --out INDEX [OPTIONS]",
      "Finds for every cell of the feed-forward layers the tokens of a text at which its coefficient is "
      "largest and least,\nin one pass over the text. Started by mpirun, all processes share the work.");
  frame.syntax.examples = {"memories scan --model model.gguf --corpus texts --out index"};
  add_scan_options(frame, asked, how);
  return frame.run_in_group(arguments, [&](Console& console, ProcessGroup* group, std::string& what_stays) {
    frame.common.device = own_device(frame.common.device, group);
    const Model model = frame.load(console);
    take_common_options(frame, model, how);
    how.layers = parse_layers(asked.layers, model.config().layers);
    if (asked.dry_run) return show_plan(frame, model, how, console);
    const auto planned = [&](const ScanPlan& plan) {
      if (is_first(group)) tell_remarks(remarks_on(plan, how), console);
      console.note(scan_plan_text(plan, how));
      what_stays = "what they had found up to their last checkpoints stays, and --resume goes on from there";
    };
    const ScanOutcome outcome =
        scan_memories(model, how, {asked.out, asked.resume}, console.progress(), planned, group);
    if (!is_first(group)) return kExitDone;
    std::string next;
    if (outcome.is_part)
      next = fmt::format(
          "Once all shards are done, join them: emend memories merge {} OTHER_SHARD... --out INDEX\n"
          "(OTHER_SHARD: the folder of another shard; none where all were written into this one)\n",
          shell_word(asked.out));
    return frame.show(console, scan_text(outcome, asked.out, console.columns()) + next,
                      scan_json(outcome, &model),
                      {.report = [&] { return scan_html(scan_page(MemoryIndex(asked.out))); }});
  });
}

}  // namespace emend
