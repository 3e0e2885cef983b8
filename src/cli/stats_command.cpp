// emend stats --out DIR
#include <algorithm>
#include <iostream>

#include "analysis/statistics_plan.h"
#include "cli/command.h"
#include "cli/load_model.h"
#include "cli/option_values.h"
#include "cli/process_group_run.h"
#include "cli/text_run_options.h"
#include "emend/error.h"
#include "emend/memory_estimate.h"
#include "emend/report.h"
#include "emend/statistics_job.h"
#include "pipeline/failure.h"
#include "reports/statistics_page.h"
#include "reports/statistics_report.h"

namespace emend {
namespace {

constexpr const char* kSelf = "self";

struct StatsOptions : TextRunArguments {
  std::string memory;
  double until = 0;
  bool keep_sums = false, until_given = false;
};

constexpr TextRunHelp kHelp = {
    .corpus =
        "files and folders of plain text or .jsonl, also .gz and .zst; or self: the model writes the "
        "text (default)",
    .tokens =
        "keys to sum (default: 5 times d_ff of own text, 10 times of a corpus), of a seeded sample of "
        "documents; "
        "all: the whole corpus",
    .block =
        "keys between two checkpoints (default: 8192, or a sixteenth of more than 131072; 16384 of own "
        "text)",
    .shard = "only part i of N, from 0; join all with emend stats merge",
    .report = "write an HTML page with the layers and charts"};

// But for what needs the model. Throws Error(kUsage).
StatisticsOptions statistics_options(const StatsOptions& options) {
  StatisticsOptions how;
  static_cast<TextOptions&>(how) = text_run_options(options);
  if (!options.memory.empty()) how.memory_bytes = parse_bytes("memory", options.memory);
  if (options.until_given) how.until = options.until;
  return how;
}

void add_own_options(StatsOptions& options, po::options_description& own) {
  auto add = own.add_options();
  add("out", po::value(&options.out)->value_name("DIR"), "folder to write to");
  add("until",
      po::value(&options.until)->value_name("ERROR")->notifier([&](double) { options.until_given = true; }),
      "stop when the estimated error of C^-1 k is this small in every layer, for example 0.05 (at the latest "
      "after 100 times d_ff tokens, or --tokens)");
  add("memory", po::value(&options.memory)->value_name("SIZE"),
      "for the whole process (on a GPU: of its memory), for example 8G: more passes where the sums do not "
      "fit");
  add("keep-sums", po::bool_switch(&options.keep_sums),
      "write the float64 sums, for merging, instead of the layers");
  add_text_run_options(options, kHelp, own);
}

Parsed parse_stats(const std::vector<std::string>& arguments, StatsOptions& options) {
  Syntax syntax;
  syntax.command = "stats";
  syntax.synopsis = "--model M --out DIR [OPTIONS], or: emend stats merge|show|import|export ...";
  syntax.help =
      "Collects C = E[k k^T], the second moments of the feed-forward keys, of all layers in one pass over "
      "text.\n"
      "Started by mpirun, all processes share the work. See also emend stats merge, show, import and export "
      "--help.";
  add_own_options(options, syntax.own);
  if (parse_options(syntax, arguments, options.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(!options.common.model.empty(), "stats", "--model PATH");
  require_given(!options.out.empty() || options.dry_run, "stats", "--out DIR");
  if (!options.report.empty() && (options.dry_run || options.keep_sums || !options.shard.empty()))
    throw Error(ErrorKind::kUsage,
                "--report shows finished layers: it does not go with --dry-run, --keep-sums and --shard");
  if (options.corpus.size() > 1 && std::count(options.corpus.begin(), options.corpus.end(), kSelf) > 0)
    throw Error(ErrorKind::kUsage, "--corpus is either self or paths, not both");
  if (options.corpus == std::vector<std::string>{kSelf}) options.corpus.clear();
  const StatisticsOptions values = statistics_options(options);
  check_statistics_values(values);
  if (options.common.device == "cpu")
    options.common.memory_bytes = values.memory_bytes;  // else the sums alone
  return Parsed::kRun;
}

StatisticsOptions statistics_options(const StatsOptions& options, const Model& model) {
  StatisticsOptions how = statistics_options(options);
  static_cast<TextOptions&>(how) = text_run_options(options, model);
  how.layers = parse_layers(options.layers, model.config().layers);
  return how;
}

int run(StatsOptions options, ProcessGroup* group, std::string& what_stays) {
  Console console(options.common);
  const bool first = is_first(group);
  options.common.device = own_device(options.common.device, group);
  check_text_run_paths(options, first, console);
  const bool own_text = options.corpus.empty();
  const Model model = load_model(
      options.common.model, options.common, console,
      [&](const ModelConfig& c) {
        return own_text ? own_text_statistics_bytes(c, 1)
                        : given_text_statistics_bytes(c, 1, options.common.token_budget, options.window);
      },
      Spare::kForWork);
  fit_token_budget(model, options.common, console);
  const StatisticsOptions how = statistics_options(options, model);
  StatisticsJob job{{options.out, options.resume, options.keep_sums}, options.dry_run, group, {}};
  job.planned = [&](const StatisticsPlan& plan) {
    if (first) tell_remarks(remarks_on(plan, how, model.config()), console);
    if (options.dry_run) return;
    console.note(statistics_plan_text(plan));
    what_stays = "what they had summed up to their last checkpoints stays, and --resume goes on from there";
  };
  const StatisticsOutcome outcome = run_statistics(model, how, job, console.progress());
  if (!first) return kExitDone;
  if (options.dry_run) {
    std::cout << with_dashes(full_report(outcome));
    console.write_json(to_json(outcome, model));
    return kExitDone;
  }
  std::cout << full_report(outcome, {console.columns()});
  console.write_report(options.report,
                       [&] { return statistics_html(collected_page(outcome, how, model, options.out)); });
  console.write_json(to_json(outcome, model));
  return kExitDone;
}

int collect(const std::vector<std::string>& arguments) {
  StatsOptions options;
  if (parse_stats(arguments, options) == Parsed::kAnswered) return kExitDone;
  return run_in_group(options.common, [&](ProcessGroup* group, std::string& what_stays) {
    return run(options, group, what_stays);
  });
}

}  // namespace

int stats_command(const std::vector<std::string>& arguments) {
  const std::string first = arguments.empty() ? "" : arguments[0];
  if (first == "show") return stats_show_command({arguments.begin() + 1, arguments.end()});
  if (first == "merge") return stats_merge_command({arguments.begin() + 1, arguments.end()});
  if (first == "import") return stats_import_command({arguments.begin() + 1, arguments.end()});
  if (first == "export") return stats_export_command({arguments.begin() + 1, arguments.end()});
  return collect(arguments);
}

}  // namespace emend
