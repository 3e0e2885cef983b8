// emend stats merge A B --out DIR
#include <iostream>

#include "cli/console.h"
#include "cli/exit_code.h"
#include "cli/output_check.h"
#include "cli/stats_commands.h"
#include "emend/error.h"
#include "emend/statistics.h"
#include "reports/statistics_report.h"

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
  std::vector<fs::path> read(folders.begin(), folders.end()), all = read;
  all.push_back(out);
  console.keep_json_apart({{}, {}, all});
  require_writable_folder(out);
  for (const fs::path& folder : read)
    if (fs::exists(out) && fs::exists(folder) && fs::equivalent(folder, out) && read.size() > 1)
      throw Error(ErrorKind::kConfig, "--out " + out + " is one of the folders to be merged; give another");
  const MergeReport report = merge_statistics(read, out, console.progress());
  const std::vector<LayerSummary> layers = summarize_layer_files(report.outputs, console.progress());
  std::cout << layers_text(layers, console.columns());
  std::cout << "Source: " << report.source << "\nWritten to " << out << "\n";
  console.write_json({{"emend", emend_version()},
                      {"source", report.source},
                      {"fingerprint", report.fingerprint},
                      {"layers", layers_json(layers)},
                      {"outputs", {out}}});
  return kExitDone;
}

}  // namespace emend
