// emend stats --out DIR
#include <algorithm>

#include "analysis/statistics_plan.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/process_group_run.h"
#include "cli/text_run_options.h"
#include "console/hints.h"
#include "console/option_values.h"
#include "emend/error.h"
#include "emend/report.h"
#include "reports/statistics_page.h"
#include "reports/statistics_report.h"

namespace emend {
namespace {

constexpr const char* kSelf = "self";

struct StatsArguments : TextRunArguments {
  bool keep_sums = false, no_texts = false;
};

constexpr TextRunHelp kStatsHelp = {
    .corpus =
        "files and folders of plain text or .jsonl, also .gz and .zst; or self: the model writes the text "
        "(default)",
    .tokens =
        "keys to sum (default: 5 times d_ff of own text, 10 times of a corpus), of a seeded sample of "
        "documents; all: the whole corpus",
    .block =
        "keys between two checkpoints (default: 8192, or a sixteenth of more than 131072; 16384 of own text)",
    .shard = "only part i of N, from 0; join all with emend stats merge",
    .report = "write an HTML page with the layers and charts"};

// Throws Error(kUsage) for options that do not go together; --corpus self is an empty corpus to the library.
void settle_stats(const CommandFrame& frame, const StatsArguments& asked, StatisticsOptions& how) {
  require_given(!asked.out.empty() || asked.dry_run, "stats", "--out DIR");
  if (!frame.options.report_file.empty() && (asked.dry_run || asked.keep_sums || how.shards > 1))
    throw Error(ErrorKind::kUsage,
                "--report shows finished layers: it does not go with --dry-run, --keep-sums and --shard");
  if (asked.no_texts && (asked.keep_sums || how.shards > 1))
    throw Error(ErrorKind::kUsage,
                "--no-texts is about finished layers: it does not go with --keep-sums and --shard");
  if (how.corpus.size() > 1 && std::count(how.corpus.begin(), how.corpus.end(), kSelf) > 0)
    throw Error(ErrorKind::kUsage, "--corpus is either self or paths, not both");
  if (how.corpus.size() == 1 && how.corpus[0] == kSelf) how.corpus.clear();
  check_statistics_values(how);
  require_paths("--corpus", how.corpus);
}

void add_stats_options(CommandFrame& frame, StatsArguments& asked, StatisticsOptions& how) {
  frame.options.text("out", asked.out, "DIR", "folder to write to", Use::kWritesFolder)
      .number(
          "until", how.until, "ERROR",
          "stop when the estimated error of C^-1 k is this small in every layer, for example 0.05 (at the "
          "latest after 100 times d_ff tokens, or --tokens)")
      .value("memory", "SIZE",
             "for the whole process (on a GPU: of its memory), for example 8G: more passes where the sums do "
             "not fit",
             [&](const std::string& text) { how.memory_bytes = parse_bytes("memory", text); })
      .flag("keep-sums", asked.keep_sums, "write the float64 sums, for merging, instead of the layers")
      .flag("no-texts", asked.no_texts,
            "do not keep what every edit asks the unedited model (contexts, held text in front of each "
            "layer); the first edit asks it then")
      .needs_model()
      .check([&] { settle_stats(frame, asked, how); });
  add_text_run_options(frame, asked, how, kStatsHelp);
}

Model load_for_statistics(CommandFrame& frame, StatisticsOptions& how, Console& console) {
  if (frame.common.device == "cpu") frame.common.memory_bytes = how.memory_bytes;  // else the sums alone
  how.token_budget = frame.common.token_budget;
  Model model = frame.load(
      console, [&](const ModelConfig& config) { return statistics_work_bytes(config, how, 1); },
      Spare::kForWork);
  take_common_options(frame, model, how);
  return model;
}

int collect(const std::vector<std::string>& arguments) {
  StatsArguments asked;
  StatisticsOptions how;
  CommandFrame frame(
      "stats", "--model M --out DIR [OPTIONS], or: emend stats merge|show|import|export ...",
      "Collects C = E[k k^T], the second moments of the feed-forward keys, of all layers in one pass over "
      "text.\nStarted by mpirun, all processes share the work. See also emend stats merge, show, import and "
      "export --help.");
  frame.syntax.examples = {"stats --model model.gguf --corpus texts --out stats",
                           "stats show stats --report stats.html"};
  add_stats_options(frame, asked, how);
  return frame.run_in_group(arguments, [&](Console& console, ProcessGroup* group, std::string& what_stays) {
    frame.common.device = own_device(frame.common.device, group);
    const Model model = load_for_statistics(frame, how, console);
    how.layers = parse_layers(asked.layers, model.config().layers);
    StatisticsJob job{{asked.out, asked.resume, asked.keep_sums}, asked.dry_run, !asked.no_texts, group, {}};
    job.planned = [&](const StatisticsPlan& plan) {
      if (is_first(group)) tell_remarks(remarks_on(plan, how, model.config()), console);
      if (asked.dry_run) return;
      console.note(statistics_plan_text(plan));
      what_stays = "what they had summed up to their last checkpoints stays, and --resume goes on from there";
    };
    const StatisticsOutcome outcome = run_statistics(model, how, job, console.progress());
    if (!is_first(group)) return kExitDone;
    if (asked.dry_run) return frame.show(console, with_hints(full_report(outcome)), to_json(outcome, model));
    const std::string next = outcome.layers.empty()
                                 ? "Merge them: emend stats merge " + shell_word(asked.out) + " --out DIR\n"
                                 : "";
    return frame.show(
        console, full_report(outcome, {console.columns()}) + next, to_json(outcome, model),
        {.report = [&] { return statistics_html(collected_page(outcome, how, model, asked.out)); }});
  });
}

const std::vector<Command> kStatsCommands = {
    {"show", "list the layers of a folder", stats_show_command},
    {"merge", "join shards, or runs over different text", stats_merge_command},
    {"import", "take second moments of other programs", stats_import_command},
    {"export", "write an importance matrix of llama.cpp", stats_export_command},
};

}  // namespace

int stats_command(const std::vector<std::string>& arguments) {
  return run_command_or("stats ", kStatsCommands, arguments, collect);
}

}  // namespace emend
