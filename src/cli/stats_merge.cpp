// emend stats merge A B --out DIR
#include <iostream>

#include "cli/command.h"
#include "cli/console.h"
#include "cli/output_check.h"
#include "emend/report.h"
#include "emend/statistics_job.h"
#include "pipeline/failure.h"

namespace emend {

namespace fs = std::filesystem;
namespace po = boost::program_options;

int stats_merge_command(const std::vector<std::string>& arguments) {
  Syntax syntax;
  CommonOptions common;
  std::vector<std::string> folders;
  std::string out;
  syntax.command = "stats merge";
  syntax.synopsis = "DIR [DIR ...] --out DIR";
  syntax.help =
      "Joins statistics as if one run had summed all their text: the shards of a run, or runs over different "
      "text. The folders\n"
      "hold either finished layers or partial sums (--shard, --keep-sums); sums are added in float64.";
  syntax.positional = "folder";
  syntax.positionals = -1;
  syntax.unused = {"model", "device", "dtype", "bos", "seed", "token-budget", "threads"};
  syntax.own.add_options()("folder", po::value(&folders))("out", po::value(&out)->value_name("DIR"),
                                                          "folder to write to");
  if (parse_options(syntax, arguments, common) == Parsed::kAnswered) return kExitDone;
  require_given(!folders.empty(), "stats merge", "at least one folder");
  require_given(!out.empty(), "stats merge", "--out DIR");
  Console console(common);
  const std::vector<fs::path> read(folders.begin(), folders.end());
  std::vector<fs::path> all = read;
  all.emplace_back(out);
  console.keep_json_apart({{}, {}, all});
  require_writable_folder(out);
  const StatisticsSummary summary = merge_into(read, out, console.progress());
  std::cout << full_report(summary, {console.columns()});
  console.write_json(to_json(summary));
  return kExitDone;
}

}  // namespace emend
