// emend memories footprint PATCH...
#include <iostream>

#include "cli/command.h"
#include "cli/load_model.h"
#include "emend/memory_footprint.h"
#include "emend/patch_run.h"
#include "pipeline/failure.h"
#include "reports/footprint_report.h"

namespace emend {
namespace {

struct FootprintArguments {
  CommonOptions common;
  FootprintOptions run;
  std::vector<std::string> patches;
  std::string report;
};

Parsed parse_footprint(const std::vector<std::string>& arguments, FootprintArguments& asked) {
  Syntax syntax;
  syntax.command = "memories footprint";
  syntax.synopsis = "PATCH... --model M [OPTIONS]";
  syntax.help = "Which feed-forward cells an edit moves, and what their values promote before and after.";
  syntax.positional = "patch";
  syntax.positionals = -1;
  syntax.unused = {"bos", "seed", "token-budget"};
  syntax.own.add_options()("patch", po::value(&asked.patches)->composing())(
      "cells", po::value(&asked.run.cells)->value_name("N")->default_value(20),
      "cells listed for each layer")("top", po::value(&asked.run.top)->value_name("K")->default_value(5),
                                     "tokens listed of a value")(
      "report", po::value(&asked.report)->value_name("FILE"), "write an HTML page");
  if (parse_options(syntax, arguments, asked.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(!asked.patches.empty(), "memories footprint", "a patch");
  require_given(!asked.common.model.empty(), "memories footprint", "--model PATH");
  return Parsed::kRun;
}

}  // namespace

int memories_footprint_command(const std::vector<std::string>& arguments) {
  FootprintArguments asked;
  if (parse_footprint(arguments, asked) == Parsed::kAnswered) return kExitDone;
  Console console(asked.common);
  const std::vector<std::filesystem::path> files(asked.patches.begin(), asked.patches.end());
  console.check_report(asked.report, {files, asked.common.model, {}});
  const std::vector<NamedPatch> patches = load_patches(files);
  const Model model = load_model(asked.common.model, asked.common, console);
  for (const NamedPatch& named : patches) require_base(named.patch, model, named.name);
  const FootprintReport report{asked.patches, measure_footprint(model, changes_of(patches), asked.run)};
  std::cout << footprint_text(report, console.columns());
  console.write_report(asked.report, [&] { return footprint_page(report, model); });
  console.write_json(footprint_json(report, model));
  return kExitDone;
}

}  // namespace emend
