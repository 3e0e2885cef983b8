// emend memories patterns
#include <fmt/format.h>

#include "cli/memories_analysis.h"
#include "cli/memories_commands.h"
#include "cli/option_values.h"
#include "emend/memory_index.h"
#include "reports/patterns_report.h"

namespace emend {

namespace po = boost::program_options;

int memories_patterns_command(const std::vector<std::string>& arguments) {
  PatternOptions how;
  std::string index, layers, sheet;
  std::vector<std::string> annotations;
  AnalysisCommand command;
  Syntax& syntax = command.syntax;
  syntax.command = "memories patterns";
  syntax.synopsis = "--index INDEX [--layers LIST] [--export FILE.csv] [--annotations FILE.csv...] [OPTIONS]";
  syntax.help =
      "What the trigger examples of a cell have in common: words at the end, and content words, each tested "
      "against chance.";
  syntax.unused = {"model", "device", "dtype", "bos", "token-budget", "threads"};
  syntax.own.add_options()("index", po::value(&index)->value_name("INDEX"),
                           "folder that emend memories scan wrote")(
      "layers", po::value(&layers)->value_name("LIST"), "for example 0,3,5-7 (default: those of the index)")(
      "cells", po::value(&how.cells)->value_name("N")->default_value(100), "cells of a layer, drawn; 0: all")(
      "top", po::value(&how.top)->value_name("N")->default_value(25),
      "trigger examples of a cell that are read")(
      "background", po::value(&how.background)->value_name("N")->default_value(20000),
      "prefixes drawn from the text, to compare with")(
      "export", po::value(&sheet)->value_name("FILE"),
      "write what was found as a sheet for annotators, and the prefixes beside it")(
      "annotations", po::value(&annotations)->multitoken()->composing()->value_name("FILE"),
      "such sheets, filled in: measure how annotators agree");
  command.check = [&] {
    require_given(!index.empty(), syntax.command, "--index INDEX");
    how.index = index;
    how.seed = command.common.seed;
    how.annotations.assign(annotations.begin(), annotations.end());
    if (!sheet.empty()) require_writable_file(sheet);
    AnalysisPaths paths{annotations, {index}};
    paths.files.push_back(sheet);
    return paths;
  };
  command.run = [&](Console& console) {
    if (!layers.empty()) how.layers = parse_layers(layers, MemoryIndex(index).head().model_layers);
    const PatternsOutcome outcome = find_patterns(how, console.progress());
    AnalysisShown shown{patterns_text(outcome, console.columns()), patterns_json(outcome, how),
                        patterns_page(outcome, how)};
    shown.json["outputs"] = ResultJson::array();
    if (sheet.empty()) return shown;
    for (const auto& file : export_annotation(how, outcome, sheet)) {
      shown.text += fmt::format("Written: {}\n", file.string());
      shown.json["outputs"].push_back(file.string());
    }
    return shown;
  };
  return run_analysis(command, arguments);
}

}  // namespace emend
