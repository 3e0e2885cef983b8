// emend memories merge DIR... --out INDEX
#include <iostream>

#include "cli/command.h"
#include "cli/console.h"
#include "cli/output_check.h"
#include "emend/memory_scan.h"
#include "pipeline/failure.h"
#include "reports/memory_report.h"

namespace emend {

namespace fs = std::filesystem;
namespace po = boost::program_options;

int memories_merge_command(const std::vector<std::string>& arguments) {
  Syntax syntax;
  CommonOptions common;
  std::vector<std::string> folders;
  std::string out;
  syntax.command = "memories merge";
  syntax.synopsis = "DIR [DIR ...] --out INDEX";
  syntax.help =
      "Joins the parts that emend memories scan --shard wrote into one index, as if one run had read all "
      "text.";
  syntax.positional = "folder";
  syntax.positionals = -1;
  syntax.unused = {"model", "device", "dtype", "bos", "seed", "token-budget", "threads"};
  syntax.own.add_options()("folder", po::value(&folders))("out", po::value(&out)->value_name("INDEX"),
                                                          "folder of the index");
  if (parse_options(syntax, arguments, common) == Parsed::kAnswered) return kExitDone;
  require_given(!folders.empty(), "memories merge", "at least one folder");
  require_given(!out.empty(), "memories merge", "--out INDEX");
  Console console(common);
  const std::vector<fs::path> read(folders.begin(), folders.end());
  std::vector<fs::path> all = read;
  all.emplace_back(out);
  console.keep_json_apart({{}, {}, all});
  require_writable_folder(out);
  const ScanOutcome outcome = merge_scans(read, out, console.progress());
  std::cout << scan_text(outcome, out, console.columns());
  console.write_json(scan_json(outcome, nullptr));
  return kExitDone;
}

}  // namespace emend
