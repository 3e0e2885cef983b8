// emend memories import
#include <fmt/format.h>

#include "cli/memories_analysis.h"
#include "cli/memories_commands.h"
#include "emend/memory_labels.h"

namespace emend {

namespace po = boost::program_options;

int memories_import_command(const std::vector<std::string>& arguments) {
  std::vector<std::string> files;
  std::string index;
  AnalysisCommand command;
  command.has_page = false;
  Syntax& syntax = command.syntax;
  syntax.command = "memories import";
  syntax.synopsis = "FILE... --index INDEX";
  syntax.help =
      "Takes labels of cells into an index: .json {\"L12D771\": \"text\"}, explanations of Neuronpedia "
      "(.jsonl, "
      ".jsonl.gz)\nor of delphi (.txt).";
  syntax.positional = "file";
  syntax.positionals = -1;
  syntax.unused = {"model", "device", "dtype", "bos", "seed", "token-budget", "threads"};
  syntax.own.add_options()("file", po::value(&files)->composing())(
      "index", po::value(&index)->value_name("INDEX"), "folder that emend memories scan wrote");
  command.check = [&] {
    require_given(!files.empty(), syntax.command, "a file of labels");
    require_given(!index.empty(), syntax.command, "--index INDEX");
    return AnalysisPaths{files, {index}};
  };
  command.run = [&](Console&) {
    const LabelImport found = import_labels(index, {files.begin(), files.end()});
    return AnalysisShown{fmt::format("{} labels read, {} of them new; {} cells have labels now: {}\n",
                                     found.read, found.added, found.cells, found.output.string()),
                         {{"read", found.read},
                          {"added", found.added},
                          {"cells", found.cells},
                          {"outputs", {found.output.string()}}}};
  };
  return run_analysis(command, arguments);
}

}  // namespace emend
