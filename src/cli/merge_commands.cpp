// emend stats merge DIR... --out DIR; emend memories merge DIR... --out INDEX
#include <iostream>

#include "cli/command.h"
#include "cli/console.h"
#include "emend/memory_scan.h"
#include "emend/report.h"
#include "emend/statistics_job.h"
#include "pipeline/failure.h"
#include "reports/memory_report.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

struct MergeArguments {
  CommonOptions common;
  std::vector<std::string> folders;
  std::string out;

  std::vector<fs::path> read() const { return {folders.begin(), folders.end()}; }
};

// `syntax` says what the command is and does.
Parsed parse_merge(Syntax syntax, const char* written, const std::vector<std::string>& arguments,
                   MergeArguments& options) {
  syntax.positional = "folder";
  syntax.positionals = -1;
  syntax.unused = {"model", "device", "dtype", "bos", "seed", "token-budget", "threads"};
  syntax.own.add_options()("folder", po::value(&options.folders))(
      "out", po::value(&options.out)->value_name(written), "folder to write to");
  if (parse_options(syntax, arguments, options.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(!options.folders.empty(), syntax.command, "at least one folder");
  require_given(!options.out.empty(), syntax.command, std::string("--out ") + written);
  return Parsed::kRun;
}

void check_outputs(const MergeArguments& options, const Console& console) {
  std::vector<fs::path> all = options.read();
  all.emplace_back(options.out);
  console.keep_json_apart({{}, {}, all});
  require_writable_folder(options.out);
}

}  // namespace

int stats_merge_command(const std::vector<std::string>& arguments) {
  Syntax syntax;
  syntax.command = "stats merge";
  syntax.synopsis = "DIR [DIR ...] --out DIR";
  syntax.help =
      "Joins statistics as if one run had summed all their text: the shards of a run, or runs over different "
      "text. The folders\n"
      "hold either finished layers or partial sums (--shard, --keep-sums); sums are added in float64.";
  MergeArguments options;
  if (parse_merge(syntax, "DIR", arguments, options) == Parsed::kAnswered) return kExitDone;
  Console console(options.common);
  check_outputs(options, console);
  const StatisticsSummary summary = merge_into(options.read(), options.out, console.progress());
  std::cout << full_report(summary, {console.columns()});
  console.write_json(to_json(summary));
  return kExitDone;
}

int memories_merge_command(const std::vector<std::string>& arguments) {
  Syntax syntax;
  syntax.command = "memories merge";
  syntax.synopsis = "DIR [DIR ...] --out INDEX";
  syntax.help =
      "Joins the parts that emend memories scan --shard wrote into one index, as if one run had read all "
      "text.";
  MergeArguments options;
  if (parse_merge(syntax, "INDEX", arguments, options) == Parsed::kAnswered) return kExitDone;
  Console console(options.common);
  check_outputs(options, console);
  const ScanOutcome outcome = merge_scans(options.read(), options.out, console.progress());
  std::cout << scan_text(outcome, options.out, console.columns());
  console.write_json(scan_json(outcome, nullptr));
  return kExitDone;
}

}  // namespace emend
