// emend memories scan --model M --corpus PATH... --out INDEX
#include <algorithm>
#include <iostream>

#include "analysis/text_options.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/load_model.h"
#include "cli/option_values.h"
#include "cli/process_group_run.h"
#include "cli/text_run_options.h"
#include "emend/error.h"
#include "emend/memory_index.h"
#include "emend/memory_scan.h"
#include "pipeline/failure.h"
#include "reports/memory_page.h"
#include "reports/memory_report.h"

namespace emend {
namespace {

struct ScanArguments : TextRunArguments {
  ScanArguments() { tokens = "all"; }
  std::string dedup = "window";
  std::int64_t top = 25, random = 10;
  bool include_first = false;
};

constexpr TextRunHelp kHelp = {
    .corpus = "files and folders of plain text or .jsonl, also .gz and .zst",
    .tokens = "tokens to read, of a seeded sample of documents; all: the whole corpus",
    .block = "tokens between two checkpoints (default: 32768, of a sample 8192 or a sixteenth of it)",
    .shard = "only part i of N, from 0; join all with emend memories merge",
    .report = "write an HTML page with the layers"};

void add_own_options(Syntax& syntax, ScanArguments& options) {
  const auto positive = [](const char* name) {
    return [name](std::int64_t value) { require_at_least(name, value, 1); };
  };
  auto add = syntax.own.add_options();
  add("out", po::value(&options.out)->value_name("INDEX"), "folder of the index");
  add("top", po::value(&options.top)->value_name("N")->default_value(25)->notifier(positive("top")),
      "trigger examples of a cell at each end");
  add("random", po::value(&options.random)->value_name("N")->default_value(10)->notifier(positive("random")),
      "examples of a cell that are drawn at random");
  add("dedup", po::value(&options.dedup)->value_name("POLICY")->default_value("window"),
      "which tokens stand in one list: none (all), window (the best one of each row of text), suffix "
      "(window, and of equal last 12 tokens the best one)");
  add("include-first", po::bool_switch(&options.include_first), "tokens at position 0 count, too");
  add_text_run_options(options, kHelp, syntax.own);
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
  check_text_values(text_run_options(options));
  parse_dedup(options.dedup);
  return Parsed::kRun;
}

ScanOptions scan_options(const ScanArguments& options, const Model& model) {
  constexpr std::int64_t kMost = 1 << 20;
  ScanOptions how;
  static_cast<TextOptions&>(how) = text_run_options(options, model);
  how.layers = parse_layers(options.layers, model.config().layers);
  how.top = static_cast<int>(std::min(options.top, kMost));
  how.random = static_cast<int>(std::min(options.random, kMost));
  how.dedup = parse_dedup(options.dedup);
  how.include_first = options.include_first;
  return how;
}

int plan_only(const Model& model, const ScanOptions& how, Console& console) {
  const MemoryScan scan(model, how, console.progress());
  tell_remarks(remarks_on(scan.plan(), how), console);
  std::cout << scan_plan_text(scan.plan(), how) << "\n";
  console.write_json(scan_plan_json(scan.plan(), model));
  return kExitDone;
}

int run(ScanArguments options, ProcessGroup* group, std::string& what_stays) {
  Console console(options.common);
  const bool first = is_first(group);
  options.common.device = own_device(options.common.device, group);
  check_text_run_paths(options, first, console);
  const Model model = load_model(options.common.model, options.common, console);
  fit_token_budget(model, options.common, console);
  const ScanOptions how = scan_options(options, model);
  if (options.dry_run) return plan_only(model, how, console);
  const auto planned = [&](const ScanPlan& plan) {
    if (first) tell_remarks(remarks_on(plan, how), console);
    console.note(scan_plan_text(plan, how));
    what_stays = "what they had found up to their last checkpoints stays, and --resume goes on from there";
  };
  const ScanOutcome outcome =
      scan_memories(model, how, {options.out, options.resume}, console.progress(), planned, group);
  if (!first) return kExitDone;
  std::cout << scan_text(outcome, options.out, console.columns());
  if (outcome.is_part)
    std::cout << "Join them: emend memories merge " << shell_word(options.out) << " --out INDEX\n";
  console.write_report(options.report, [&] { return scan_html(scan_page(MemoryIndex(options.out))); });
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
