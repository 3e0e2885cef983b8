// emend stats export DIR --out FILE.gguf
#include <fmt/format.h>

#include <iostream>

#include "cli/command.h"
#include "cli/console.h"
#include "emend/report.h"
#include "emend/statistics.h"
#include "pipeline/failure.h"

namespace emend {

int stats_export_command(const std::vector<std::string>& arguments) {
  Syntax syntax;
  CommonOptions common;
  std::string folder, out;
  syntax.command = "stats export";
  syntax.synopsis = "DIR --out FILE.gguf";
  syntax.help =
      "Writes the diagonals of C as an importance matrix of llama.cpp, for llama-quantize --imatrix and for "
      "emend patch apply\n"
      "--imatrix. It has entries for the down projections of the folder's layers only.";
  syntax.positional = "folder";
  syntax.positionals = 1;
  syntax.unused = {"model", "device", "dtype", "bos", "seed", "token-budget", "threads"};
  syntax.own.add_options()("folder", po::value(&folder))("out", po::value(&out)->value_name("FILE"),
                                                         "file to write");
  if (parse_options(syntax, arguments, common) == Parsed::kAnswered) return kExitDone;
  require_given(!folder.empty(), "stats export", "the folder");
  require_given(!out.empty(), "stats export", "--out FILE");
  Console console(common);
  console.keep_json_apart({{out}, {}, {folder}});
  console.check_result_file("--out", out, {{}, {}, {folder}});
  const ImatrixOutcome outcome{export_imatrix(folder, out), out};
  std::cout << full_report(outcome);
  console.write_json(to_json(outcome));
  return kExitDone;
}

}  // namespace emend
