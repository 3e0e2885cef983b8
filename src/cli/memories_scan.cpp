// emend memories scan --model M --corpus PATH... --out INDEX
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
#include "emend/memory_index.h"
#include "emend/memory_scan.h"
#include "pipeline/failure.h"
#include "reports/memory_page.h"
#include "reports/memory_report.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

struct ScanArguments {
  CommonOptions common;
  std::string out, layers = "all", tokens = "all", shard, text_field = "text", dedup = "window", report;
  std::vector<std::string> corpus;
  std::int64_t window = 512, block = 0, top = 25, random = 10;
  bool resume = false, include_first = false, dry_run = false;
};

void add_own_options(Syntax& syntax, ScanArguments& options) {
  const auto positive = [](const char* name) {
    return [name](std::int64_t value) { require_at_least(name, value, 1); };
  };
  syntax.own.add_options()("out", po::value(&options.out)->value_name("INDEX"), "folder of the index")(
      "corpus", po::value(&options.corpus)->multitoken()->composing()->value_name("PATH"),
      "files and folders of plain text or .jsonl, also .gz and .zst")(
      "text-field", po::value(&options.text_field)->value_name("NAME")->default_value("text"),
      "the field of JSON lines that holds the text")(
      "layers", po::value(&options.layers)->value_name("LIST")->default_value("all"),
      "all, or for example 0,3,5-7")(
      "top", po::value(&options.top)->value_name("N")->default_value(25)->notifier(positive("top")),
      "trigger examples of a cell at each end")(
      "random", po::value(&options.random)->value_name("N")->default_value(10)->notifier(positive("random")),
      "examples of a cell that are drawn at random")(
      "tokens", po::value(&options.tokens)->value_name("N")->default_value("all"),
      "tokens to read, of a seeded sample of documents; all: the whole corpus")(
      "dedup", po::value(&options.dedup)->value_name("POLICY")->default_value("window"),
      "which tokens stand in one list: none (all), window (the best one of each row of text), suffix "
      "(window, "
      "and of equal last 12 tokens the best one)")("include-first", po::bool_switch(&options.include_first),
                                                   "tokens at position 0 count, too")(
      "window", po::value(&options.window)->value_name("N")->default_value(512)->notifier(positive("window")),
      "tokens of a row; longer documents are cut")(
      "block", po::value(&options.block)->value_name("N")->notifier(positive("block")),
      "tokens between two checkpoints (default: 32768, of a sample 8192 or a sixteenth of it)")(
      "resume", po::bool_switch(&options.resume), "go on from the checkpoint in --out")(
      "shard", po::value(&options.shard)->value_name("i/N"),
      "only part i of N, from 0; join all with emend memories merge")(
      "dry-run", po::bool_switch(&options.dry_run), "print the plan only")(
      "report", po::value(&options.report)->value_name("FILE"), "write an HTML page with the layers");
}

std::int64_t parse_tokens(const std::string& text) {
  constexpr std::size_t kMostDigits = 15;
  if (text == "all") return kAllTokens;
  if (text.empty() || text.size() > kMostDigits ||
      text.find_first_not_of("0123456789") != std::string::npos || std::stoll(text) < 1)
    throw Error(ErrorKind::kUsage, "--tokens must be at least 1, or all, found " + quote(text));
  return std::stoll(text);
}

Parsed parse_scan(const std::vector<std::string>& arguments, ScanArguments& options) {
  Syntax syntax;
  syntax.command = "memories scan";
  syntax.synopsis = "--model M --corpus PATH... --out INDEX [OPTIONS]";
  syntax.help =
      "Finds for every cell of the feed-forward layers the tokens of a text at which its coefficient is "
      "largest and least,\n"
      "in one pass over the text. Started by mpirun, all processes share the work.";
  add_own_options(syntax, options);
  if (parse_options(syntax, arguments, options.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(!options.common.model.empty(), "memories scan", "--model PATH");
  require_given(!options.corpus.empty(), "memories scan", "--corpus PATH");
  require_given(!options.out.empty() || options.dry_run, "memories scan", "--out INDEX");
  if (!options.report.empty() && (options.dry_run || !options.shard.empty()))
    throw Error(ErrorKind::kUsage,
                "--report shows a finished index: it does not go with --dry-run and --shard");
  parse_tokens(options.tokens);
  parse_dedup(options.dedup);
  parse_shard(options.shard);
  return Parsed::kRun;
}

ScanOptions scan_options(const ScanArguments& options, const Model& model) {
  ScanOptions how;
  how.layers = parse_layers(options.layers, model.config().layers);
  how.corpus.assign(options.corpus.begin(), options.corpus.end());
  how.text_field = options.text_field;
  how.tokens = parse_tokens(options.tokens);
  how.prefix = resolve_bos(model.tokenizer(), options.common.bos.value_or("auto"));
  how.seed = options.common.seed;
  how.window = options.window;
  how.block_tokens = options.block;
  how.token_budget = options.common.token_budget;
  how.top = static_cast<int>(std::min<std::int64_t>(options.top, 1 << 20));
  how.random = static_cast<int>(std::min<std::int64_t>(options.random, 1 << 20));
  how.dedup = parse_dedup(options.dedup);
  how.include_first = options.include_first;
  std::tie(how.shard, how.shards) = parse_shard(options.shard);
  return how;
}

// Before the model is loaded.
void check_paths(const ScanArguments& options, bool first, const Console& console) {
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

void tell_plan(const ScanPlan& plan, const ScanOptions& how, Console& console) {
  for (const ScanRemark& remark : remarks_on(plan, how))
    remark.is_warning ? console.warn(remark.text) : console.note(remark.text);
}

int plan_only(const Model& model, const ScanOptions& how, Console& console) {
  const MemoryScan scan(model, how, console.progress());
  tell_plan(scan.plan(), how, console);
  std::cout << scan_plan_text(scan.plan(), how) << "\n";
  console.write_json(scan_plan_json(scan.plan(), model));
  return kExitDone;
}

int run(ScanArguments options, ProcessGroup* group, std::string& what_stays) {
  Console console(options.common);
  const bool first = is_first(group);
  options.common.device = own_device(options.common.device, group);
  check_paths(options, first, console);
  const Model model = load_model(options.common.model, options.common, console);
  fit_token_budget(model, options.common, console);
  const ScanOptions how = scan_options(options, model);
  if (options.dry_run) return plan_only(model, how, console);
  const auto planned = [&](const ScanPlan& plan) {
    if (first) tell_plan(plan, how, console);
    console.note(scan_plan_text(plan, how));
    what_stays = "what they had found up to their last checkpoints stays, and --resume goes on from there";
  };
  const ScanOutcome outcome =
      scan_memories(model, how, {options.out, options.resume}, console.progress(), planned, group);
  if (!first) return kExitDone;
  std::cout << scan_text(outcome, options.out, console.columns());
  if (!options.report.empty()) {
    console.write_result_file(options.report, scan_html(scan_page(MemoryIndex(options.out))));
    std::cout << "Report: " << options.report << "\n";
  }
  console.write_json(scan_json(outcome, &model));
  return kExitDone;
}

}  // namespace

int memories_scan_command(const std::vector<std::string>& arguments) {
  ScanArguments options;
  if (parse_scan(arguments, options) == Parsed::kAnswered) return kExitDone;
  return run_in_group(options.common, [&](ProcessGroup* group, std::string& what_stays) {
    return run(options, group, what_stays);
  });
}

}  // namespace emend
