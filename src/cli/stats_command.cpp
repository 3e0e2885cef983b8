// emend stats --out DIR
#include <algorithm>
#include <iostream>
#include <tuple>

#include "base/strings.h"
#include "cli/command.h"
#include "cli/load_model.h"
#include "cli/option_values.h"
#include "cli/output_check.h"
#include "cli/process_group_run.h"
#include "emend/error.h"
#include "emend/memory_estimate.h"
#include "emend/report.h"
#include "emend/statistics_job.h"
#include "pipeline/failure.h"
#include "reports/statistics_page.h"
#include "reports/statistics_report.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

constexpr const char* kSelf = "self";

struct StatsOptions {
  CommonOptions common;
  std::string out, layers = "all", tokens, memory, shard, text_field = "text", report;
  std::vector<std::string> corpus;
  std::int64_t window = 512, block = 0;
  double until = 0;
  bool resume = false, keep_sums = false, dry_run = false, until_given = false;
};

void require_positive(const char* name, std::int64_t value) {
  require_at_least(name, value, 1);
}

std::int64_t parse_tokens(const std::string& text) {
  if (text.empty()) return 0;
  if (text == "all") return kAllTokens;
  constexpr std::size_t kMostDigits = 15;
  if (text.size() > kMostDigits || text.find_first_not_of("0123456789") != std::string::npos ||
      std::stoll(text) < 1)
    throw Error(ErrorKind::kUsage, "--tokens must be at least 1, or all, found " + quote(text));
  return std::stoll(text);
}

// Throws Error(kUsage). Most of it is read again once the model is there.
void read_values(StatsOptions& options) {
  parse_tokens(options.tokens);
  parse_shard(options.shard);
  const std::int64_t memory = options.memory.empty() ? 0 : parse_bytes("memory", options.memory);
  if (options.common.device == "cpu") options.common.memory_bytes = memory;  // else the sums alone obey it
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
  syntax.own.add_options()("out", po::value(&options.out)->value_name("DIR"), "folder to write to")(
      "corpus", po::value(&options.corpus)->multitoken()->composing()->value_name("PATH"),
      "files and folders of plain text or .jsonl, also .gz and .zst; or self: the model writes the text "
      "(default)")("text-field", po::value(&options.text_field)->value_name("NAME")->default_value("text"),
                   "the field of JSON lines that holds the text")(
      "layers", po::value(&options.layers)->value_name("LIST")->default_value("all"),
      "all, or for example 0,3,5-7")(
      "tokens", po::value(&options.tokens)->value_name("N"),
      "keys to sum (default: 10 times d_ff), of a seeded sample of documents; all: the whole corpus")(
      "until", po::value(&options.until)->value_name("ERROR")->notifier([&](double value) {
        options.until_given = true;
        if (!(value > 0)) throw Error(ErrorKind::kUsage, "--until must be above 0");
      }),
      "stop when the estimated error of C^-1 k is this small in every layer, for example 0.05 (at the latest "
      "after 100 times d_ff tokens, "
      "or --tokens)")(
      "window", po::value(&options.window)->value_name("N")->default_value(512)->notifier([](std::int64_t n) {
        require_positive("window", n);
      }),
      "tokens of a row; longer documents are cut")("memory", po::value(&options.memory)->value_name("SIZE"),
                                                   "for the whole process (on a GPU: of its memory), for "
                                                   "example 8G: more passes where the sums do not fit")(
      "block", po::value(&options.block)->value_name("N")->notifier([](std::int64_t n) {
        require_positive("block", n);
      }),
      "keys between two checkpoints (default: 8192, or a sixteenth of more than 131072; 16384 of own text)")(
      "resume", po::bool_switch(&options.resume), "go on from the checkpoint in --out")(
      "shard", po::value(&options.shard)->value_name("i/N"),
      "only part i of N, from 0; join all with emend stats merge")(
      "keep-sums", po::bool_switch(&options.keep_sums),
      "write the float64 sums, for merging, instead of the layers")(
      "dry-run", po::bool_switch(&options.dry_run), "print the plan only")(
      "report", po::value(&options.report)->value_name("FILE"),
      "write an HTML page with the layers and charts");
  if (parse_options(syntax, arguments, options.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(!options.common.model.empty(), "stats", "--model PATH");
  require_given(!options.out.empty() || options.dry_run, "stats", "--out DIR");
  if (!options.report.empty() && (options.dry_run || options.keep_sums || !options.shard.empty()))
    throw Error(ErrorKind::kUsage,
                "--report shows finished layers: it does not go with --dry-run, --keep-sums and --shard");
  if (options.corpus.size() > 1 && std::count(options.corpus.begin(), options.corpus.end(), kSelf) > 0)
    throw Error(ErrorKind::kUsage, "--corpus is either self or paths, not both");
  if (options.corpus == std::vector<std::string>{kSelf}) options.corpus.clear();
  read_values(options);
  return Parsed::kRun;
}

StatisticsOptions statistics_options(const StatsOptions& options, const Model& model) {
  StatisticsOptions how;
  how.layers = parse_layers(options.layers, model.config().layers);
  how.corpus.assign(options.corpus.begin(), options.corpus.end());
  how.text_field = options.text_field;
  how.tokens = parse_tokens(options.tokens);
  how.prefix = resolve_bos(model.tokenizer(), options.common.bos.value_or("auto"));
  how.seed = options.common.seed;
  how.window = options.window;
  how.block_tokens = options.block;
  how.token_budget = options.common.token_budget;
  if (!options.memory.empty()) how.memory_bytes = parse_bytes("memory", options.memory);
  if (options.until_given) how.until = options.until;
  std::tie(how.shard, how.shards) = parse_shard(options.shard);
  return how;
}

// Warnings and notes about the plan.
void tell_plan(const StatisticsPlan& plan, const StatisticsOptions& how, const Model& model,
               Console& console) {
  for (const PlanRemark& remark : remarks_on(plan, how, model.config()))
    remark.kind == PlanRemark::Kind::kWarning ? console.warn(remark.text) : console.note(remark.text);
}

// Before the model is loaded: what is read and written apart, and what is read there.
void check_paths(const StatsOptions& options, bool first, const Console& console) {
  if (first) {
    OtherFiles others{{options.corpus.begin(), options.corpus.end()}, options.common.model, {options.out}};
    console.check_result_file("--report", options.report, others);
    others.files.emplace_back(options.report);
    console.keep_json_apart(others);
    if (!options.out.empty()) require_writable_folder(options.out);
  }
  for (const std::string& path : options.corpus)
    if (!fs::exists(path)) throw Error(ErrorKind::kIo, "--corpus: there is no file " + path);
}

int run(StatsOptions options, ProcessGroup* group, std::string& what_stays) {
  Console console(options.common);
  const bool first = is_first(group);
  options.common.device = own_device(options.common.device, group);
  check_paths(options, first, console);
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
    if (first) tell_plan(plan, how, model, console);
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
  if (!options.report.empty()) {
    console.write_result_file(options.report,
                              statistics_html(collected_page(outcome, how, model, options.out)));
    std::cout << "Report: " << options.report << "\n";
  }
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
