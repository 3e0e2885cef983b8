// emend stats --out DIR
#include <algorithm>
#include <cmath>
#include <iostream>
#include <tuple>

#include "base/stage_clock.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/layer_list.h"
#include "cli/load_model.h"
#include "cli/output_check.h"
#include "cli/process_group_run.h"
#include "cli/shard_option.h"
#include "cli/stats_commands.h"
#include "emend/error.h"
#include "emend/statistics_run.h"
#include "report/numbers.h"
#include "reports/statistics_report.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

constexpr const char* kSelf = "self";

struct StatsOptions {
  CommonOptions common;
  std::string out, layers = "all", tokens, memory, shard, text_field = "text";
  std::vector<std::string> corpus;
  std::int64_t window = 512, block = 0;
  double until = 0;
  bool resume = false, keep_sums = false, dry_run = false, until_given = false;
};

void require_positive(const char* name, std::int64_t value) {
  require_at_least(name, value, 1);
}

Parsed parse_stats(const std::vector<std::string>& arguments, StatsOptions& options) {
  Syntax syntax;
  syntax.command = "stats";
  syntax.synopsis = "--model M --out DIR [OPTIONS], or: emend stats merge|show|import ...";
  syntax.help =
      "Collects C = E[k k^T], the second moments of the feed-forward keys, of all layers in one pass over "
      "text.\n"
      "Started by mpirun, all processes share the work. See also emend stats merge, show and import --help.";
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
      "dry-run", po::bool_switch(&options.dry_run), "print the plan only");
  if (parse_options(syntax, arguments, options.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(!options.common.model.empty(), "stats", "--model PATH");
  require_given(!options.out.empty() || options.dry_run, "stats", "--out DIR");
  if (options.corpus.size() > 1 && std::count(options.corpus.begin(), options.corpus.end(), kSelf) > 0)
    throw Error(ErrorKind::kUsage, "--corpus is either self or paths, not both");
  if (options.corpus == std::vector<std::string>{kSelf}) options.corpus.clear();
  return Parsed::kRun;
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

// "4G", "500M", "1.5GiB", "1000000": bytes; K, M, G, T count in thousands, with i in 1024s. Error(kUsage)
// naming the option.
std::int64_t parse_bytes(const std::string& option, const std::string& text) {
  std::size_t used = 0;
  double number = -1;
  try {
    number = std::stod(text, &used);
  } catch (const std::exception&) {
  }
  std::string unit = text.substr(used);
  if (unit.ends_with("B")) unit.pop_back();
  const double base = unit.ends_with("i") ? 1024 : 1000;
  if (unit.ends_with("i")) unit.pop_back();
  const std::size_t power = unit.empty() ? 0 : std::string("KMGT").find(unit) + 1;
  const bool known = unit.empty() || (unit.size() == 1 && power > 0);
  const double bytes = number * std::pow(base, static_cast<double>(power));
  if (!known || !(number > 0) || bytes > 1e17)
    throw Error(ErrorKind::kUsage,
                "--" + option + " must be a size such as 500M, 4G or 4GiB, found " + quote(text));
  return static_cast<std::int64_t>(bytes);
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

// What the corpus and the number of tokens mean for the result.
void tell_about_text(const StatisticsPlan& plan, const StatisticsOptions& how, const Model& model,
                     Console& console) {
  if (plan.repaired > 0)
    console.warn(count_text(plan.repaired) + " pieces of the corpus are not UTF-8; each was read as U+FFFD");
  if (plan.repeated > 0)
    console.note(count_text(plan.repeated) + " documents stand in the corpus more than once and count once.");
  if (!plan.binary_files.empty())
    console.note(count_text(static_cast<std::int64_t>(plan.binary_files.size())) +
                 " files that are not text were passed over, " + plan.binary_files.front() + " first.");
  if (how.tokens > plan.tokens)
    console.warn("the corpus gives " + count_text(plan.tokens) + " of the " + count_text(how.tokens) +
                 " tokens asked for");
  if (plan.tokens < model.config().d_ff)
    console.warn(count_text(plan.tokens) + " tokens are fewer than the key's size " +
                 std::to_string(model.config().d_ff) +
                 ": C will be singular, and an edit has to lean on its ridge");
  if (plan.blocks == 0)
    console.warn("this shard has no block: the text has fewer blocks than there are shards");
}

void print_report(const StatisticsReport& report, const std::vector<LayerSummary>& layers,
                  const StatsOptions& options, Console& console) {
  if (!layers.empty()) std::cout << layers_text(layers, console.columns());
  std::cout << "Source: " << report.source << "\n";
  if (report.resumed_blocks > 0) std::cout << "Taken up after " << report.resumed_blocks << " blocks.\n";
  if (options.until_given)
    std::cout << (report.reached_until ? "The error asked for was reached.\n"
                                       : "The text ended before the error asked for was reached.\n");
  if (layers.empty())
    std::cout << "Sums written to " << report.outputs.front().string()
              << "; finish them with emend stats merge " << options.out << " --out DIR\n";
  else
    std::cout << "Written to " << options.out << "\n";
}

int run(StatsOptions options, ProcessGroup* group, std::string& what_stays) {
  Console console(options.common);
  const bool first = is_first(group);
  options.common.device = own_device(options.common.device, group);
  if (first) {
    console.keep_json_apart(
        {{options.corpus.begin(), options.corpus.end()}, options.common.model, {options.out}});
    if (!options.out.empty()) require_writable_folder(options.out);
  }
  for (const std::string& path : options.corpus)
    if (!fs::exists(path)) throw Error(ErrorKind::kIo, "--corpus: there is no file " + path);
  const Model model = load_model(options.common.model, options.common, console);
  fit_token_budget(model, options.common, console);
  StatisticsOptions how = statistics_options(options, model);
  if (group) {
    if (how.shards > 1 || options.keep_sums)
      throw Error(ErrorKind::kUsage, "mpirun makes the shards: leave out --shard and --keep-sums");
    how.shard = group->rank();
    how.shards = group->size();
  }
  StageClock stages(console.progress());
  const StatisticsRun work(model, how, stages);
  if (first) tell_about_text(work.plan(), how, model, console);
  if (options.dry_run) {
    if (!first) return kExitDone;
    std::cout << plan_text(work.plan()) << "\n";
    console.write_json(statistics_plan_json(work.plan(), model));
    return kExitDone;
  }
  console.note(plan_text(work.plan()));
  what_stays = "what they had summed up to their last checkpoints stays, and --resume goes on from there";
  const StatisticsReport report = work.collect_into({options.out, options.resume, options.keep_sums}, stages, group);
  if (!first) return kExitDone;
  const std::vector<LayerSummary> layers = summarize_layer_files(report.outputs, console.progress());
  print_report(report, layers, options, console);
  console.write_json(statistics_json(report, work.plan(), model, layers, stages.seconds()));
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
  return collect(arguments);
}

}  // namespace emend
